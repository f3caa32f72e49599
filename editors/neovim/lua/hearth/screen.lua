--- Puts what is left of a suggestion on the screen, and takes it off: its text, the keys that it has, what is told of it.
local config = require("hearth.config")
local ghost = require("hearth.ghost")
local keys = require("hearth.keys")
local menu = require("hearth.menu")
local telemetry = require("hearth.telemetry")
local views = require("hearth.view")

local M = {}

local uv = vim.uv

local redraw_timer = assert(uv.new_timer())
local drawn_at = 0

--- The id of the suggestion that was on screen last.
---@type string?
M.last_id = nil

function M.hide()
  redraw_timer:stop()
  if ghost.is_drawn() then
    ghost.clear()
    keys.give_back()
  end
  telemetry.appears(nil)
end

--- Show it, or nothing when there is nothing to show or something else has the user's attention.
---@param view hearth.View?
function M.show(view)
  if not view or not views.has_text(view) or menu.blocks() then
    M.hide()
    return
  end
  drawn_at = uv.now()
  local line = vim.api.nvim_buf_get_lines(view.bufnr, view.row, view.row + 1, true)[1]
  ghost.draw({
    bufnr = view.bufnr,
    row = view.row,
    col = view.col,
    pieces = view.pieces,
    suffix = line:sub(view.col + 1),
    max_lines = config.current.max_lines,
    note = view.note,
  })
  keys.borrow(view.bufnr)
  telemetry.appears(view.suggestion.id)
  if view.suggestion.id then
    M.last_id = view.suggestion.id
  end
end

--- Show it now, or when the pause between two redraws is over: text may arrive faster than it can be read.
---@param newest fun(): hearth.View?
function M.show_soon(newest)
  local pause = drawn_at + config.current.redraw_ms - uv.now()
  if pause <= 0 then
    M.show(newest())
  elseif not redraw_timer:is_active() then
    redraw_timer:start(
      pause,
      0,
      vim.schedule_wrap(function()
        M.show(newest())
      end)
    )
  end
end

---@return boolean
function M.is_visible()
  return ghost.is_drawn()
end

return M
