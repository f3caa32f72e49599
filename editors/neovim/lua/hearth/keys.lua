--- Keys that mean something to Hearth only while ghost text is visible.
--- They are mapped when it appears and unmapped when it goes, so that at any other time the keys are exactly the user's own.
local config = require("hearth.config")

local M = {}

local api = vim.api

---@class (exact) hearth.Borrowed
---@field lhs string
---@field before? table<string, any> The buffer's own mapping, as maparg() gave it.

---@type integer?
local borrowed_in
---@type hearth.Borrowed[]
local borrowed = {}

local DESCRIPTION = "Hearth: "

---@param bufnr integer
---@param lhs string
---@return table<string, any>?
local function buffer_mapping(bufnr, lhs)
  local found = api.nvim_buf_call(bufnr, function()
    return vim.fn.maparg(lhs, "i", false, true)
  end)
  return found.buffer == 1 and found or nil
end

---@param bufnr integer
function M.borrow(bufnr)
  if borrowed_in == bufnr then
    return
  end
  M.give_back()
  borrowed_in = bufnr
  for name, lhs in pairs(config.current.keymaps) do
    if lhs and name ~= "trigger" then
      table.insert(borrowed, { lhs = lhs, before = buffer_mapping(bufnr, lhs) })
      vim.keymap.set("i", lhs, function()
        return require("hearth.accept").keys(name)
      end, {
        buffer = bufnr,
        expr = true,
        nowait = true,
        replace_keycodes = true,
        desc = DESCRIPTION .. name:gsub("_", " "),
      })
    end
  end
end

function M.give_back()
  local bufnr = borrowed_in
  if not bufnr then
    return
  end
  local all = borrowed
  borrowed_in, borrowed = nil, {}
  if not api.nvim_buf_is_valid(bufnr) then
    return
  end
  for _, each in ipairs(all) do
    local now = buffer_mapping(bufnr, each.lhs)
    -- A mapping that somebody set meanwhile is not ours to remove.
    if now and vim.startswith(now.desc or "", DESCRIPTION) then
      vim.keymap.del("i", each.lhs, { buffer = bufnr })
      if each.before then
        api.nvim_buf_call(bufnr, function()
          vim.fn.mapset(each.before)
        end)
      end
    end
  end
end

---@type string? The key that asks for a suggestion, as it was mapped by the last setup.
local trigger_lhs

---@param group integer
function M.setup(group)
  if trigger_lhs then
    pcall(vim.keymap.del, "i", trigger_lhs)
  end
  trigger_lhs = config.current.keymaps.trigger or nil
  if trigger_lhs then
    vim.keymap.set("i", trigger_lhs, function()
      require("hearth.session").trigger()
    end, { desc = DESCRIPTION .. "ask for a suggestion" })
  end
  api.nvim_create_autocmd("BufUnload", {
    group = group,
    callback = function(event)
      if event.buf == borrowed_in then
        borrowed_in, borrowed = nil, {}
      end
    end,
  })
end

return M
