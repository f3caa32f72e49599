--- What is left of a suggestion at the cursor, as the text stands now.
local fit = require("hearth.fit")
local suggestion = require("hearth.suggestion")

local M = {}

local api = vim.api

---@class (exact) hearth.View
---@field bufnr integer
---@field row integer
---@field col integer
---@field suggestion hearth.Suggestion
---@field taken integer Bytes of the suggestion that stand in the buffer.
---@field rest string
---@field replaced string Text behind the cursor that the rest goes over.
---@field closing string Part of it that was not there when the suggestion was asked for.
---@field pieces hearth.Piece[]
---@field note? string Which of several alternatives it is, for a user who asked for them.

--- Row and column of the cursor, as text is counted here.
---@return integer row
---@return integer col
function M.cursor()
  local position = api.nvim_win_get_cursor(0)
  return position[1] - 1, position[2]
end

--- The first alternative from the current one on that still fits, or nil. Chooses it.
---@param session hearth.Session
---@return hearth.View? view
---@return boolean untouched Whether nothing was typed since the request.
function M.of(session)
  if api.nvim_get_current_buf() ~= session.bufnr then
    return nil, false
  end
  local row, col = M.cursor()
  local most_lines = 1
  for _, each in ipairs(session.suggestions) do
    most_lines = math.max(most_lines, suggestion.line_count(each))
  end
  local typed, closing = fit.typed(session.anchor, row, col, most_lines)
  if not typed then
    return nil, false
  end
  local count = #session.suggestions
  for step = 0, count - 1 do
    local index = (session.index - 1 + step) % count + 1
    local candidate = session.suggestions[index]
    if vim.startswith(candidate.text, typed) then
      local rest = candidate.text:sub(#typed + 1)
      local replaced = closing .. candidate.replaced
      local pieces = fit.pieces(rest, replaced)
      if pieces then
        session.index = index
        return {
          bufnr = session.bufnr,
          row = row,
          col = col,
          suggestion = candidate,
          taken = #typed,
          rest = rest,
          replaced = replaced,
          closing = closing,
          pieces = pieces,
          note = (session.invoked and count > 1 or session.step ~= 0 and not session.request)
              and ("%d/%d"):format(index, count)
            or nil,
        },
          typed == ""
      end
    end
  end
  return nil, typed == "" and closing == ""
end

---@param view hearth.View?
---@return boolean
function M.has_text(view)
  if view then
    for _, piece in ipairs(view.pieces) do
      if piece.text ~= "" then
        return true
      end
    end
  end
  return false
end

--- What is left, as a suggestion that begins at the cursor.
---@param view hearth.View
---@return hearth.Suggestion
function M.remainder(view)
  local old = view.suggestion
  return {
    id = old.id,
    text = view.rest,
    replaced = view.replaced,
    lead = old.lead .. old.text:sub(1, view.taken),
    crlf = old.crlf,
    command = old.command,
  }
end

return M
