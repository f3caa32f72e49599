--- Goes to places in the company's code: a citation, a hit of a search.
local client = require("hearth.client")
local errors = require("hearth.errors")

local M = {}

local api = vim.api

---@alias hearth.Place hearth.Citation|hearth.SearchHit|hearth.WhySnippet

--- How long the index may take to hand out a file, in milliseconds.
local PATIENCE_MS = 5000

--- A window with a file in it, other than the current one when that shows a scratch buffer.
---@return integer
local function file_window()
  local here = api.nvim_get_current_win()
  local candidates = { here, vim.fn.win_getid(vim.fn.winnr("#")) }
  vim.list_extend(candidates, api.nvim_tabpage_list_wins(0))
  for _, win in ipairs(candidates) do
    if
      api.nvim_win_is_valid(win)
      and vim.bo[api.nvim_win_get_buf(win)].buftype == ""
      and api.nvim_win_get_config(win).relative == ""
    then
      return win
    end
  end
  return here
end

---@param win integer
---@param line integer
local function show_line(win, line)
  local last = api.nvim_buf_line_count(api.nvim_win_get_buf(win))
  vim.cmd("normal! m'")
  api.nvim_win_set_cursor(win, { math.max(1, math.min(line, last)), 0 })
  vim.cmd("normal! zvzz^")
end

--- Open a file of an open workspace folder at a line.
---@param uri string
---@param line integer 1-based.
function M.open_file(uri, line)
  local win = file_window()
  api.nvim_set_current_win(win)
  local bufnr = vim.uri_to_bufnr(uri)
  vim.bo[bufnr].buflisted = true
  if api.nvim_win_get_buf(win) ~= bufnr then
    vim.cmd.buffer(bufnr)
  end
  show_line(win, line)
end

--- The name of a file of the index that is in no open folder.
---@param place hearth.Place
---@return string
function M.indexed_name(place)
  return ("hearth://%s@%s/%s"):format(place.repository, place.commit:sub(1, 12), place.path)
end

--- Go to what a citation or a hit of a search names: a file on disk, or as the index has it.
---@param place hearth.Place
function M.open(place)
  if place.uri then
    M.open_file(place.uri, place.startLine)
    return
  end
  local win = file_window()
  api.nvim_set_current_win(win)
  local name = M.indexed_name(place)
  vim.cmd.edit({ args = { vim.fn.fnameescape(name) }, magic = { file = false, bar = false } })
  if api.nvim_buf_get_name(0) == name then
    show_line(win, place.startLine)
  end
end

--- Fill a buffer that is named like a file of the index, from the index.
---@param bufnr integer
---@param name string
local function read_indexed(bufnr, name)
  local repository, commit, path = name:match("^hearth://(.-)@(%x+)/(.+)$")
  local server = client.get()
  if not repository then
    return
  elseif not server or not server.initialized then
    errors.notify("no_server", client.connection().detail)
    return
  end
  -- Whoever edits this name, such as the quickfix list, goes to a line of it next: the text has to be there.
  local answer, problem =
    server:request_sync("hearth/file", { repository = repository, path = path }, PATIENCE_MS, bufnr)
  local err = answer and answer.err and answer.err.message or problem
  local file = answer and answer.result ---@type hearth.IndexedFile?
  if err then
    errors.notify("request_failed", "hearth/file", err)
    return
  elseif not file then
    errors.notify("not_indexed", path, repository)
    return
  end
  vim.bo[bufnr].modifiable = true
  local text = file.text:gsub("\r\n", "\n"):gsub("\n$", "")
  api.nvim_buf_set_lines(bufnr, 0, -1, false, vim.split(text, "\n", { plain = true }))
  vim.bo[bufnr].buftype = "nofile"
  vim.bo[bufnr].swapfile = false
  vim.bo[bufnr].modified = false
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].readonly = true
  vim.bo[bufnr].filetype = vim.filetype.match({ filename = path, buf = bufnr }) or file.language
  if not vim.startswith(file.commit, commit) then
    errors.notify("moved_on", path, file.commit:sub(1, 12), commit)
  end
end

---@param group integer
function M.setup(group)
  api.nvim_create_autocmd("BufReadCmd", {
    group = group,
    pattern = "hearth://*@*/*",
    callback = function(event)
      read_indexed(event.buf, event.match)
    end,
  })
end

return M
