--- Draws a suggestion as extmarks. Knows nothing of requests.
local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace("hearth.ghost")

--- A suggestion of several lines in the middle of a line covers the rest of it, when it is this long at most.
local MOST_COVERED_BYTES = 400

M.namespace = namespace

---@type integer? Buffer that holds the marks.
local drawn_in

--- Virtual text draws no tabs: spell them as spaces, by the stops of the current buffer.
---@param text string
---@param column integer Screen column where the text starts.
---@return string
local function expand_tabs(text, column)
  if not text:find("\t", 1, true) then
    return text
  end
  local out = {}
  for piece, tab in text:gmatch("([^\t]*)(\t?)") do
    table.insert(out, piece)
    column = column + vim.fn.strdisplaywidth(piece, column)
    if tab ~= "" then
      local width = vim.fn.strdisplaywidth("\t", column)
      table.insert(out, (" "):rep(width))
      column = column + width
    end
  end
  return table.concat(out)
end

---@class (exact) hearth.Drawing
---@field bufnr integer
---@field row integer
---@field col integer
---@field pieces hearth.Piece[]
---@field suffix string The line after the cursor.
---@field max_lines integer
---@field note? string Said behind the first line, such as "2/3".

---@param drawing hearth.Drawing
function M.draw(drawing)
  M.clear()
  drawn_in = drawing.bufnr
  local bufnr, row, col = drawing.bufnr, drawing.row, drawing.col
  local column = nil ---@type integer?
  local function start_column()
    -- Costs as much as the line is long, and is needed for tabs and covered text only.
    if not column then
      local line = api.nvim_buf_get_lines(bufnr, row, row + 1, true)[1]
      column = vim.fn.strdisplaywidth(line:sub(1, col))
    end
    return column
  end
  for index, piece in ipairs(drawing.pieces) do
    local lines = vim.split(piece.text, "\n", { plain = true })
    local text = lines[1]
    if text:find("\t", 1, true) then
      text = expand_tabs(text, start_column())
    end
    local first = { { text, "HearthGhost" } }
    if index == 1 and drawing.note then
      table.insert(first, { " " .. drawing.note, "HearthNote" })
    end
    ---@type vim.api.keyset.set_extmark
    local mark = {
      virt_text = first,
      virt_text_pos = "inline",
      hl_mode = "combine",
      priority = 1000,
      undo_restore = false,
    }
    if #lines > 1 then
      local rest = drawing.suffix:sub(piece.offset + 1)
      mark.virt_lines = M._virtual_lines(lines, rest, drawing.max_lines)
      if rest:find("%S") and #rest <= MOST_COVERED_BYTES then
        -- The rest of the line moves down to the end of the suggestion: hide it here.
        local cells = vim.fn.strdisplaywidth(rest, start_column())
        table.insert(first, { (" "):rep(cells), "Normal" })
        mark.virt_text_pos = "overlay"
      end
    end
    api.nvim_buf_set_extmark(bufnr, namespace, row, col + piece.offset, mark)
  end
end

--- The lines below the cursor's: all but the first, the last one followed by what stood behind the cursor.
---@param lines string[]
---@param rest string
---@param max_lines integer
---@return [string, string][][]
function M._virtual_lines(lines, rest, max_lines)
  local out = {}
  for index = 2, math.min(#lines, max_lines) do
    local text = lines[index]
    local chunks = { { expand_tabs(text, 0), "HearthGhost" } }
    if index == #lines and rest:find("%S") and #rest <= MOST_COVERED_BYTES then
      local width = vim.fn.strdisplaywidth(text)
      table.insert(chunks, { expand_tabs(rest, width), "Normal" })
    end
    table.insert(out, chunks)
  end
  if #lines > max_lines then
    local more = #lines - max_lines
    table.insert(
      out,
      { { ("… %d more line%s"):format(more, more == 1 and "" or "s"), "HearthNote" } }
    )
  end
  return out
end

function M.clear()
  if drawn_in and api.nvim_buf_is_valid(drawn_in) then
    api.nvim_buf_clear_namespace(drawn_in, namespace, 0, -1)
  end
  drawn_in = nil
end

---@return boolean
function M.is_drawn()
  return drawn_in ~= nil
end

function M.define_highlights()
  api.nvim_set_hl(0, "HearthGhost", { default = true, link = "ComplHint" })
  api.nvim_set_hl(0, "HearthNote", { default = true, link = "ComplHintMore" })
  for name, fallback in pairs({ ComplHint = "NonText", ComplHintMore = "MoreMsg" }) do
    -- Neovim 0.11 has no groups for hints.
    if vim.fn.hlexists(name) == 0 then
      api.nvim_set_hl(0, name, { default = true, link = fallback })
    end
  end
end

return M
