--- The life of a suggestion: asked for when typing rests, drawn as it grows, kept while the user types what it says,
--- dropped when it no longer fits. There is at most one, in the buffer that is being typed in.
local client = require("hearth.client")
local config = require("hearth.config")
local fit = require("hearth.fit")
local ghost = require("hearth.ghost")
local keys = require("hearth.keys")
local menu = require("hearth.menu")
local requests = require("hearth.requests")
local suggestion = require("hearth.suggestion")
local telemetry = require("hearth.telemetry")

local M = {}

local api = vim.api
local uv = vim.uv

--- `lsp.InlineCompletionTriggerKind`; Neovim 0.11 does not name them.
local INVOKED, AUTOMATIC = 1, 2

---@class (exact) hearth.Session
---@field bufnr integer
---@field anchor hearth.Anchor
---@field tick integer `changedtick` when it was asked for.
---@field request? hearth.Request Nil when the answer is complete.
---@field suggestions hearth.Suggestion[]
---@field index integer
---@field carried boolean The suggestions are an earlier session's, on screen until the new ones reach as far.
---@field incomplete boolean The server ended its answer early, because the text changed under it.
---@field invoked boolean The user asked for it.
---@field step integer Alternatives to go forward once they have come.

--- What is left of the current suggestion at the cursor.
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

---@alias hearth.End
---| "taken"
---| "typed"      The user typed all of it.
---| "diverged"   The user typed something else.
---| "dismissed"
---| "left"       Insert mode or the buffer was left.
---| "withdrawn"  The server took it back, or failed.
---| "replaced"   A newer request took its place.
---| "server"     The server is gone.

---@type hearth.Session?
local current

--- Where the last change was handled, to tell a change from a repeated event.
local seen = { bufnr = 0, tick = -1, row = -1, col = -1 }

local typing_timer = assert(uv.new_timer())
local redraw_timer = assert(uv.new_timer())
local drawn_at = 0

---@type table<hearth.End, boolean>
local REFUSALS = { diverged = true, dismissed = true, left = true }

---@return integer row
---@return integer col
local function cursor()
  local position = api.nvim_win_get_cursor(0)
  return position[1] - 1, position[2]
end

--- The first alternative from the current one on that still fits, or nil. Chooses it.
---@param session hearth.Session
---@return hearth.View? view
---@return boolean untouched Whether nothing was typed since the request.
local function place(session)
  if api.nvim_get_current_buf() ~= session.bufnr then
    return nil, false
  end
  local row, col = cursor()
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
        },
          typed == ""
      end
    end
  end
  return nil, typed == "" and closing == ""
end

---@param view hearth.View?
---@return boolean
local function has_text(view)
  if view then
    for _, piece in ipairs(view.pieces) do
      if piece.text ~= "" then
        return true
      end
    end
  end
  return false
end

local function hide()
  redraw_timer:stop()
  if ghost.is_drawn() then
    ghost.clear()
    keys.give_back()
  end
  telemetry.appears(nil)
end

---@param view hearth.View?
local function draw(view)
  if not current or not view or not has_text(view) or menu.blocks() then
    hide()
    return
  end
  drawn_at = uv.now()
  local line = api.nvim_buf_get_lines(view.bufnr, view.row, view.row + 1, true)[1]
  local count = #current.suggestions
  ghost.draw({
    bufnr = view.bufnr,
    row = view.row,
    col = view.col,
    pieces = view.pieces,
    suffix = line:sub(view.col + 1),
    max_lines = config.current.max_lines,
    note = current.invoked and count > 1 and ("%d/%d"):format(current.index, count) or nil,
  })
  keys.borrow(view.bufnr)
  telemetry.appears(view.suggestion.id)
  if view.suggestion.id then
    M.last_id = view.suggestion.id
  end
end

--- Draw now, or when the pause between two redraws is over: text may arrive faster than it can be read.
local function draw_soon()
  local pause = drawn_at + config.current.redraw_ms - uv.now()
  if pause <= 0 then
    draw(current and place(current) or nil)
  elseif not redraw_timer:is_active() then
    redraw_timer:start(
      pause,
      0,
      vim.schedule_wrap(function()
        draw(current and place(current) or nil)
      end)
    )
  end
end

--- End the session, if there is one, and tell the server why.
---@param reason hearth.End
function M.close(reason)
  local session = current
  if not session then
    return
  end
  current = nil
  hide()
  if session.request then
    requests.cancel(session.request)
  end
  fit.release(session.anchor)
  local last = session.suggestions[session.index]
  if last and REFUSALS[reason] then
    telemetry.rejected(last.id)
  end
end

---@param items hearth.InlineCompletionItem[]
---@param session hearth.Session
---@return hearth.Suggestion[]
local function read_items(items, session)
  local server = client.get()
  local found = {}
  for _, item in ipairs(items) do
    local each = server and suggestion.from_item(item, session.anchor, server.offset_encoding)
    if each then
      table.insert(found, each)
    end
  end
  return found
end

---@param value any
---@return hearth.InlineCompletionItem[]
local function items_of(value)
  if type(value) ~= "table" then
    return {}
  end
  return type(value.items) == "table" and value.items or vim.islist(value) and value or {}
end

---@param session hearth.Session
---@return boolean
local function is_outdated(session)
  return not api.nvim_buf_is_valid(session.bufnr)
    or api.nvim_buf_get_changedtick(session.bufnr) ~= session.tick
end

--- A part of the answer has come. It holds all of the text so far.
---@param session hearth.Session
---@param value any
local function on_part(session, value)
  if current ~= session then
    return
  end
  local found = read_items(items_of(value), session)
  local first, shown = found[1], session.suggestions[session.index]
  if session.carried and shown and (not first or vim.startswith(shown.text, first.text)) then
    -- What is on screen says more than the new answer does yet; going back would flicker.
    return
  end
  session.carried = false
  session.suggestions = found
  session.index = 1
  draw_soon()
end

--- The answer is complete, or there is none.
---@param session hearth.Session
---@param err? lsp.ResponseError
---@param value any
local function on_end(session, err, value)
  if current ~= session then
    return
  end
  session.request = nil
  local found = err and {} or read_items(items_of(value), session)
  if #found == 0 then
    if is_outdated(session) and place(session) then
      -- What has come still fits: keep it and ask for more.
      session.incomplete = true
      M.schedule()
    else
      M.close("withdrawn")
    end
    return
  end
  local shown = session.suggestions[session.index]
  session.suggestions = found
  session.index = 1
  if session.step ~= 0 then
    for index, each in ipairs(found) do
      if shown and each.text == shown.text then
        session.index = (index - 1 + session.step) % #found + 1
        break
      end
    end
  end
  session.carried = false
  local view = place(session)
  if not has_text(view) then
    M.close(view and "typed" or "withdrawn")
    M.schedule()
  else
    draw(view)
  end
end

--- What is on screen, as the start of a new session at the cursor.
---@return hearth.Suggestion[]
local function carry_over()
  local view = current and not menu.blocks() and place(current) or nil
  if not view or not has_text(view) then
    return {}
  end
  local old = view.suggestion
  return {
    {
      id = old.id,
      text = view.rest,
      replaced = view.replaced,
      lead = old.lead .. old.text:sub(1, view.taken),
      crlf = old.crlf,
      command = old.command,
    },
  }
end

---@param invoked boolean
---@param step? integer
local function ask(invoked, step)
  local bufnr = api.nvim_get_current_buf()
  local server = client.for_buffer(bufnr)
  if not server or menu.blocks() then
    return
  end
  local row, col = cursor()
  local carried = carry_over()
  local old = current
  ---@type hearth.Session
  local session = {
    bufnr = bufnr,
    anchor = fit.anchor(bufnr, row, col),
    tick = api.nvim_buf_get_changedtick(bufnr),
    suggestions = carried,
    index = 1,
    carried = #carried > 0,
    incomplete = false,
    invoked = invoked,
    step = step or 0,
  }
  current = session
  if old then
    if old.request then
      requests.cancel(old.request)
    end
    fit.release(old.anchor)
  end
  local line = session.anchor.prefix .. session.anchor.suffix
  session.request = requests.stream(
    server,
    "textDocument/inlineCompletion",
    {
      textDocument = vim.lsp.util.make_text_document_params(bufnr),
      position = {
        line = row,
        character = vim.str_utfindex(line, server.offset_encoding, col, false),
      },
      context = { triggerKind = invoked and INVOKED or AUTOMATIC },
    },
    bufnr,
    function(value)
      on_part(session, value)
    end,
    function(err, value)
      on_end(session, err, value)
    end
  )
end

--- A timer that is stopped may have fired already and wait for its turn, so that stopping it is not enough.
local scheduled = 0

local function cancel_schedule()
  scheduled = scheduled + 1
  typing_timer:stop()
end

--- Ask for a suggestion once typing rests.
function M.schedule()
  if not config.current.auto_trigger then
    return
  end
  cancel_schedule()
  local mine = scheduled
  typing_timer:start(
    config.current.debounce_ms,
    0,
    vim.schedule_wrap(function()
      if mine == scheduled then
        ask(false)
      end
    end)
  )
end

--- Ask for a suggestion now, whatever the settings say of asking by itself.
function M.trigger()
  cancel_schedule()
  ask(true)
end

--- The cursor or the text changed, or a menu came or went.
function M.on_change()
  local bufnr = api.nvim_get_current_buf()
  if not client.for_buffer(bufnr) then
    return
  end
  if menu.blocks() then
    -- What a menu puts into the text while one browses it is not typed yet: look at it when the menu has gone.
    cancel_schedule()
    hide()
    return
  end
  local tick = api.nvim_buf_get_changedtick(bufnr)
  local row, col = cursor()
  local text_changed = seen.bufnr ~= bufnr or seen.tick ~= tick
  local moved = text_changed or seen.row ~= row or seen.col ~= col
  seen = { bufnr = bufnr, tick = tick, row = row, col = col }
  if not moved then
    draw(current and place(current) or nil)
    return
  end
  if current then
    local view, untouched = place(current)
    if has_text(view) then
      draw(view)
      if current.incomplete then
        M.schedule()
      else
        cancel_schedule()
      end
      return
    elseif untouched and current.request then
      return
    end
    M.close(view and "typed" or "diverged")
  end
  if text_changed then
    M.schedule()
  else
    cancel_schedule()
  end
end

--- Insert mode starts: nothing is known of this place yet.
function M.on_enter()
  seen = { bufnr = 0, tick = -1, row = -1, col = -1 }
  local bufnr = api.nvim_get_current_buf()
  if client.for_buffer(bufnr) then
    local row, col = cursor()
    seen = { bufnr = bufnr, tick = api.nvim_buf_get_changedtick(bufnr), row = row, col = col }
    M.schedule()
  end
end

function M.on_leave()
  cancel_schedule()
  M.close("left")
end

--- Hide the suggestion until something is typed.
function M.dismiss()
  cancel_schedule()
  M.close("dismissed")
end

--- Show another alternative; the server is asked for more when there is but one.
---@param step integer
function M.cycle(step)
  if not current then
    return
  end
  local count = #current.suggestions
  if count > 1 then
    current.invoked = true
    current.index = (current.index - 1 + step) % count + 1
    draw(place(current))
  elseif not current.invoked then
    ask(true, step)
  end
end

---@return boolean
function M.is_visible()
  return ghost.is_drawn()
end

--- Whether nothing more is to come of what is visible.
---@return boolean
function M.is_complete()
  return current ~= nil and current.request == nil and not current.incomplete
end

--- What is visible now.
---@return hearth.View?
function M.view()
  if not current or not ghost.is_drawn() then
    return nil
  end
  return (place(current))
end

--- A part is about to go into the buffer, over some bytes of the text behind the cursor: that text will be gone.
---@param over integer
function M.taking(over)
  local view = M.view()
  if not current or not view then
    return
  end
  local gone = math.max(0, over - #view.closing)
  current.anchor.suffix = current.anchor.suffix:sub(gone + 1)
  for _, each in ipairs(current.suggestions) do
    each.replaced = each.replaced:sub(gone + 1)
  end
end

--- The id of the suggestion that was on screen last.
---@type string?
M.last_id = nil

return M
