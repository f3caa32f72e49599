--- The geometry of a suggestion: where it was asked for, what of it the user has typed since, what is left.
--- Rows and columns count from 0, columns in bytes; text has "\n" between lines whatever the file has.
local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace("hearth.anchor")

---@class (exact) hearth.Anchor
---@field bufnr integer
---@field mark integer Extmark that follows the row when lines above change.
---@field row integer
---@field col integer
---@field prefix string The line before the cursor.
---@field suffix string The line after it.
---@field line_count integer

---@param bufnr integer
---@param row integer
---@param col integer
---@return hearth.Anchor
function M.anchor(bufnr, row, col)
  local line = api.nvim_buf_get_lines(bufnr, row, row + 1, true)[1]
  return {
    bufnr = bufnr,
    mark = api.nvim_buf_set_extmark(bufnr, namespace, row, 0, { right_gravity = false }),
    row = row,
    col = col,
    prefix = line:sub(1, col),
    suffix = line:sub(col + 1),
    line_count = api.nvim_buf_line_count(bufnr),
  }
end

---@param anchor hearth.Anchor
function M.release(anchor)
  if api.nvim_buf_is_valid(anchor.bufnr) then
    api.nvim_buf_del_extmark(anchor.bufnr, namespace, anchor.mark)
  end
end

--- What stands between the anchor and the cursor, when the text around is as it was.
--- `closing` is what an auto-pairs plugin put behind the cursor.
---@param anchor hearth.Anchor
---@param row integer
---@param col integer
---@param most_lines integer Lines that the suggestion has; more cannot fit.
---@return string? typed
---@return string closing
function M.typed(anchor, row, col, most_lines)
  local position = api.nvim_buf_get_extmark_by_id(anchor.bufnr, namespace, anchor.mark, {})
  local first = position[1]
  if not first or row < first or row - first >= most_lines then
    return nil, ""
  end
  if
    api.nvim_buf_line_count(anchor.bufnr) - anchor.line_count
    ~= (row - first) + (first - anchor.row)
  then
    return nil, ""
  end
  local lines = api.nvim_buf_get_lines(anchor.bufnr, first, row + 1, true)
  local last = lines[#lines]
  local after = last:sub(col + 1)
  if not vim.startswith(lines[1], anchor.prefix) or not vim.endswith(after, anchor.suffix) then
    return nil, ""
  end
  if #lines == 1 then
    if col < anchor.col then
      return nil, ""
    end
    return last:sub(anchor.col + 1, col), after:sub(1, #after - #anchor.suffix)
  end
  lines[#lines] = last:sub(1, col)
  lines[1] = lines[1]:sub(anchor.col + 1)
  return table.concat(lines, "\n"), after:sub(1, #after - #anchor.suffix)
end

---@class (exact) hearth.Piece
---@field offset integer Bytes of the replaced text that stand before this piece.
---@field text string

--- Split a text into the pieces that appear around the text which it replaces and repeats, as in
--- `a, b)` over `)`. Nil when it does not repeat all of it in order.
---@param text string
---@param replaced string
---@return hearth.Piece[]?
function M.pieces(text, replaced)
  if replaced == "" then
    return { { offset = 0, text = text } }
  elseif vim.endswith(text, replaced) then
    return { { offset = 0, text = text:sub(1, #text - #replaced) } }
  end
  local pieces = {} ---@type hearth.Piece[]
  local from = 1
  for offset = 1, #replaced do
    local at = text:find(replaced:sub(offset, offset), from, true)
    if not at then
      return nil
    end
    if at > from then
      table.insert(pieces, { offset = offset - 1, text = text:sub(from, at - 1) })
    end
    from = at + 1
  end
  if from <= #text then
    table.insert(pieces, { offset = #replaced, text = text:sub(from) })
  end
  return pieces
end

--- How many bytes of the replaced text the first bytes of a text use up.
---@param text string
---@param replaced string
---@param taken integer Bytes of the text.
---@return integer
function M.consumed(text, replaced, taken)
  if replaced == "" then
    return 0
  elseif vim.endswith(text, replaced) then
    return math.max(0, taken - (#text - #replaced))
  end
  local from, used = 1, 0
  for offset = 1, #replaced do
    local at = text:find(replaced:sub(offset, offset), from, true)
    if not at or at > taken then
      break
    end
    used = offset
    from = at + 1
  end
  return used
end

--- Bytes of the text that "take the next word" takes: white space, then one run of letters or of signs.
---@param text string
---@return integer
function M.word(text)
  local space = #text:match("^%s*")
  local rest = text:sub(space + 1)
  -- Bytes from 0x80 belong to letters outside ASCII; emoji count as letters too.
  local run = rest:match("^[%w_\128-\255]+") or rest:match("^[^%w_%s\128-\255]+") or ""
  return space + #run
end

--- Bytes of the text that "take the line" takes: up to the line's end, the next line when this one is used up.
---@param text string
---@return integer
function M.line(text)
  local stop = text:find("\n", 2, true)
  return stop and stop - 1 or #text
end

return M
