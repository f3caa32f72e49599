--- What the user does in insert mode moves the suggestion along: it stays while it fits, goes when it does not, and the
--- next one is asked for when typing rests.
local client = require("hearth.client")
local menu = require("hearth.menu")
local screen = require("hearth.screen")
local session = require("hearth.session")
local views = require("hearth.view")

local M = {}

local api = vim.api

--- Where the last change was handled, to tell a change from a repeated event.
local seen = { bufnr = 0, tick = -1, row = -1, col = -1 }

--- The cursor or the text changed, or a menu came or went.
function M.on_change()
  local bufnr = api.nvim_get_current_buf()
  if not client.for_buffer(bufnr) then
    return
  end
  if menu.blocks() then
    -- What a menu puts into the text while one browses it is not typed yet: look at it when the menu has gone.
    session.unschedule()
    screen.hide()
    return
  end
  local tick = api.nvim_buf_get_changedtick(bufnr)
  local row, col = views.cursor()
  local text_changed = seen.bufnr ~= bufnr or seen.tick ~= tick
  local moved = text_changed or seen.row ~= row or seen.col ~= col
  seen = { bufnr = bufnr, tick = tick, row = row, col = col }
  local current = session.current()
  if not moved then
    screen.show(current and views.of(current) or nil)
    return
  end
  if current then
    local view, untouched = views.of(current)
    if views.has_text(view) then
      screen.show(view)
      if current.incomplete then
        session.schedule()
      else
        session.unschedule()
      end
      return
    elseif untouched and current.request then
      return
    end
    session.close(view and "typed" or "diverged")
  end
  if text_changed then
    session.schedule()
  else
    session.unschedule()
  end
end

--- Insert mode starts: nothing is known of this place yet.
function M.on_enter()
  seen = { bufnr = 0, tick = -1, row = -1, col = -1 }
  local bufnr = api.nvim_get_current_buf()
  if client.for_buffer(bufnr) then
    local row, col = views.cursor()
    seen = { bufnr = bufnr, tick = api.nvim_buf_get_changedtick(bufnr), row = row, col = col }
    session.schedule()
  end
end

function M.on_leave()
  session.unschedule()
  session.close("left")
end

return M
