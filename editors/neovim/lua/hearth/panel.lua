--- Scratch buffers in a window of their own: explanations, reasons, status.
local config = require("hearth.config")
local places = require("hearth.places")

local M = {}

local api = vim.api

---@class (exact) hearth.Panel
---@field bufnr integer
---@field win integer

---@type table<string, integer> Buffers by name; each is used again.
local buffers = {}

--- Close the current window, or leave its buffer when it is the last one.
function M.close()
  if not pcall(vim.cmd.close) and not pcall(vim.cmd.buffer, "#") then
    vim.cmd.enew()
  end
end

---@param name string
---@param filetype string
---@return integer
local function scratch(name, filetype)
  local bufnr = buffers[name]
  if bufnr and api.nvim_buf_is_loaded(bufnr) then
    M.set_lines(bufnr, {})
    return bufnr
  end
  bufnr = api.nvim_create_buf(false, true)
  buffers[name] = bufnr
  vim.bo[bufnr].bufhidden = "hide"
  vim.bo[bufnr].swapfile = false
  vim.bo[bufnr].modifiable = false
  -- A buffer of this name may be left from an earlier session file.
  pcall(api.nvim_buf_set_name, bufnr, "hearth://" .. name)
  vim.bo[bufnr].filetype = filetype
  vim.keymap.set("n", "q", M.close, { buffer = bufnr, desc = "Hearth: close" })
  return bufnr
end

---@param bufnr integer
---@param view "split"|"vsplit"|"float"
---@return integer
local function open_window(bufnr, view)
  local size = config.current.explain.size
  if view == "float" then
    local width = math.max(40, math.floor(vim.o.columns * math.max(size, 0.6)))
    local height = math.max(8, math.floor(vim.o.lines * math.max(size, 0.6)))
    return api.nvim_open_win(bufnr, true, {
      relative = "editor",
      width = math.min(width, vim.o.columns - 4),
      height = math.min(height, vim.o.lines - 4),
      row = math.max(0, math.floor((vim.o.lines - height) / 2) - 1),
      col = math.max(0, math.floor((vim.o.columns - width) / 2)),
      border = "rounded",
    })
  end
  local vertical = view == "vsplit"
  return api.nvim_open_win(bufnr, true, {
    split = vertical and "right" or "below",
    win = -1,
    width = vertical and math.floor(vim.o.columns * size) or nil,
    height = not vertical and math.floor(vim.o.lines * size) or nil,
  })
end

--- Show a scratch buffer, in the window that shows it already if there is one.
---@param name string
---@param filetype string
---@param view? "split"|"vsplit"|"float"
---@return hearth.Panel
function M.open(name, filetype, view)
  local bufnr = scratch(name, filetype)
  local win = vim.fn.bufwinid(bufnr)
  if win ~= -1 then
    api.nvim_set_current_win(win)
  else
    win = open_window(bufnr, view or config.current.explain.view)
  end
  for option, value in pairs({
    wrap = true,
    linebreak = true,
    number = false,
    relativenumber = false,
    signcolumn = "no",
    spell = false,
    -- Citations are written [1], which Markdown's highlighting would hide the brackets of.
    conceallevel = 0,
  }) do
    vim.wo[win][0][option] = value
  end
  return { bufnr = bufnr, win = win }
end

---@param bufnr integer
---@param change fun()
local function unlocked(bufnr, change)
  vim.bo[bufnr].modifiable = true
  change()
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].modified = false
end

---@param bufnr integer
---@param lines string[]
function M.set_lines(bufnr, lines)
  if api.nvim_buf_is_valid(bufnr) then
    unlocked(bufnr, function()
      api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
    end)
  end
end

--- The reader's place stays where it is, also when it is at the end.
---@param bufnr integer
---@param text string
function M.append(bufnr, text)
  if api.nvim_buf_is_valid(bufnr) and text ~= "" then
    local lines = vim.split(text:gsub("\r\n", "\n"), "\n", { plain = true })
    unlocked(bufnr, function()
      local last = api.nvim_buf_line_count(bufnr) - 1
      local column = #api.nvim_buf_get_lines(bufnr, last, last + 1, true)[1]
      local cursors = {} ---@type table<integer, [integer, integer]>
      for _, win in ipairs(vim.fn.win_findbuf(bufnr)) do
        cursors[win] = api.nvim_win_get_cursor(win)
      end
      api.nvim_buf_set_text(bufnr, last, column, last, column, lines)
      for win, cursor in pairs(cursors) do
        api.nvim_win_set_cursor(win, cursor)
      end
    end)
  end
end

--- Keys that go to the place in the company's code that stands under the cursor.
---@param bufnr integer
---@param place_here fun(): hearth.Place?
function M.map_places(bufnr, place_here)
  for _, lhs in ipairs({ "<CR>", "gf", "gd" }) do
    vim.keymap.set("n", lhs, function()
      local place = place_here()
      if place then
        if api.nvim_win_get_config(0).relative ~= "" then
          -- It would cover what it leads to.
          M.close()
        end
        places.open(place)
      end
    end, { buffer = bufnr, desc = "Hearth: open the place" })
  end
end

--- Say what is going on in the bar above the text.
---@param panel hearth.Panel
---@param text string
function M.title(panel, text)
  if api.nvim_win_is_valid(panel.win) and api.nvim_win_get_buf(panel.win) == panel.bufnr then
    local shown = text:gsub("%%", "%%%%")
    if api.nvim_win_get_config(panel.win).relative == "" then
      vim.wo[panel.win][0].winbar = shown
    else
      api.nvim_win_set_config(panel.win, { title = " " .. text .. " " })
    end
  end
end

return M
