--- Goes to places in the company's code: a citation, a hit of a search.
local errors = require("hearth.errors")

local M = {}

local api = vim.api

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

--- Show text that the index holds, of a file that is not at hand.
---@param hit hearth.SearchHit
local function open_indexed(hit)
  local name = ("hearth://%s@%s/%s#L%d"):format(
    hit.repository,
    hit.commit:sub(1, 12),
    hit.path,
    hit.startLine
  )
  local bufnr = vim.fn.bufnr(("^%s$"):format(vim.fn.fnameescape(name)))
  if bufnr == -1 then
    bufnr = api.nvim_create_buf(true, true)
    api.nvim_buf_set_name(bufnr, name)
    local text = hit.text:gsub("\r\n", "\n"):gsub("\n$", "")
    api.nvim_buf_set_lines(bufnr, 0, -1, false, vim.split(text, "\n", { plain = true }))
    vim.bo[bufnr].modifiable = false
    local filetype = vim.filetype.match({ filename = hit.path })
    if filetype then
      vim.bo[bufnr].filetype = filetype
    end
  end
  api.nvim_win_set_buf(file_window(), bufnr)
end

---@param hit hearth.SearchHit
function M.open_hit(hit)
  if hit.uri then
    M.open_file(hit.uri, hit.startLine)
  else
    open_indexed(hit)
  end
end

---@param citation hearth.Citation
function M.open_citation(citation)
  if citation.uri then
    M.open_file(citation.uri, citation.startLine)
  else
    errors.notify(
      "not_here",
      citation.repository,
      citation.path,
      citation.startLine,
      citation.commit:sub(1, 12)
    )
  end
end

return M
