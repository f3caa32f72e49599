--- One suggestion, turned from the protocol's terms into the buffer's.
local M = {}

---@class (exact) hearth.Suggestion
---@field id? string Name by which the server knows it.
---@field text string What it would put between the anchor and the text it replaces, and over that text.
---@field replaced string Text behind the anchor that it replaces.
---@field lead string What it repeats of the line before the anchor.
---@field crlf boolean Whether the server wrote line ends as CR LF.
---@field command? lsp.Command To be run when it is taken.

---@param line string
---@param character integer
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer? byte Nil when the line is shorter.
local function byte_of(line, character, encoding)
  local good, byte = pcall(vim.str_byteindex, line, encoding, character, true)
  return good and byte or nil
end

--- Nil when the item is not for this place: another line, or text that is not there.
---@param item hearth.InlineCompletionItem
---@param anchor hearth.Anchor
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return hearth.Suggestion?
local function from_item(item, anchor, encoding)
  if type(item.insertText) ~= "string" then
    return nil
  end
  local text = item.insertText:gsub("\r\n", "\n"):gsub("\r", "\n")
  local lead, replaced = "", ""
  local range = item.range
  if range then
    if range.start.line ~= anchor.row or range["end"].line ~= anchor.row then
      return nil
    end
    local line = anchor.prefix .. anchor.suffix
    local first = byte_of(line, range.start.character, encoding)
    local last = byte_of(line, range["end"].character, encoding)
    if not first or not last or first > anchor.col or last < anchor.col then
      return nil
    end
    lead = anchor.prefix:sub(first + 1)
    replaced = anchor.suffix:sub(1, last - anchor.col)
    if not vim.startswith(text, lead) then
      return nil
    end
    text = text:sub(#lead + 1)
  end
  local command = item.command
  return {
    id = command
        and command.command == "hearth.accepted"
        and command.arguments
        and command.arguments[1]
      or nil,
    text = text,
    replaced = replaced,
    lead = lead,
    crlf = item.insertText:find("\r\n", 1, true) ~= nil,
    command = command,
  }
end

--- The suggestions of a part of an answer, or of all of it: a list of items, bare or by its name.
---@param value any
---@param anchor hearth.Anchor
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return hearth.Suggestion[]
function M.read(value, anchor, encoding)
  if type(value) ~= "table" then
    return {}
  end
  local items = type(value.items) == "table" and value.items or vim.islist(value) and value or {}
  local found = {}
  for _, item in ipairs(items) do
    found[#found + 1] = from_item(item, anchor, encoding)
  end
  return found
end

--- UTF-16 code units of the item's own text up to a byte of the suggestion.
---@param suggestion hearth.Suggestion
---@param bytes integer
---@return integer
function M.utf16_length(suggestion, bytes)
  local taken = suggestion.lead .. suggestion.text:sub(1, bytes)
  local units = vim.str_utfindex(taken, "utf-16", #taken)
  if suggestion.crlf then
    local _, ends = taken:gsub("\n", "")
    units = units + ends
  end
  return units
end

---@param suggestion hearth.Suggestion
---@return integer
function M.line_count(suggestion)
  local _, ends = suggestion.text:gsub("\n", "")
  return ends + 1
end

return M
