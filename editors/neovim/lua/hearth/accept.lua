--- Takes a suggestion, or a part of it, into the buffer.
local client = require("hearth.client")
local fit = require("hearth.fit")
local screen = require("hearth.screen")
local session = require("hearth.session")
local suggestion = require("hearth.suggestion")
local telemetry = require("hearth.telemetry")
local typing = require("hearth.typing")

local M = {}

local api = vim.api

---@alias hearth.Part "accept"|"accept_word"|"accept_line"

--- CTRL-G u on both sides makes what is taken an undo step of its own.
local TAKE = '<C-g>u<Cmd>lua require("hearth.accept").apply(%q)<CR><C-g>u'

---@type table<string, string>
local KEYS = {
  accept = TAKE:format("accept"),
  accept_word = TAKE:format("accept_word"),
  accept_line = TAKE:format("accept_line"),
  next = '<Cmd>lua require("hearth.session").cycle(1)<CR>',
  previous = '<Cmd>lua require("hearth.session").cycle(-1)<CR>',
  dismiss = '<Cmd>lua require("hearth.session").dismiss()<CR>',
}

--- Keys that carry out an action, to be returned by an expression mapping.
---@param action string
---@return string
function M.keys(action)
  return KEYS[action]
end

--- Carry out an action from any insert-mode mapping. False when no suggestion is visible.
---@param action string
---@return boolean
function M.feed(action)
  if not screen.is_visible() then
    return false
  end
  api.nvim_feedkeys(vim.keycode(KEYS[action]), "in", false)
  return true
end

---@type table<hearth.Part, fun(rest: string): integer>
local LENGTHS = {
  accept = function(rest)
    return #rest
  end,
  accept_word = fit.word,
  accept_line = fit.line,
}

--- Put the part into the buffer at the cursor. Called by the keys above.
---@param part hearth.Part
function M.apply(part)
  local view = session.view()
  if not view then
    return
  end
  local rest, taken_before = view.rest, view.taken
  local length = LENGTHS[part](rest)
  local text = rest:sub(1, length)
  local whole = length == #rest
  local over = whole and #view.replaced or fit.consumed(rest, view.replaced, length)
  local lines = vim.split(text, "\n", { plain = true })
  session.taking(over)
  api.nvim_buf_set_text(view.bufnr, view.row, view.col, view.row, view.col + over, lines)
  local column = #lines == 1 and view.col + #text or #lines[#lines]
  api.nvim_win_set_cursor(0, { view.row + #lines, column })
  if whole then
    telemetry.accepted(view.suggestion.id)
    session.close("taken")
    M._run_command(view)
    session.schedule()
  else
    telemetry.partially_accepted(
      view.suggestion.id,
      suggestion.utf16_length(view.suggestion, taken_before + length)
    )
    typing.on_change()
  end
end

--- An item's command is run when it is taken. `hearth.accepted` says what the notification has said already.
---@param view hearth.View
function M._run_command(view)
  local command = view.suggestion.command
  local server = client.get()
  if command and command.command ~= "hearth.accepted" and server then
    server:exec_cmd(command, { bufnr = view.bufnr })
  end
end

return M
