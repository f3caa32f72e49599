--- The life of a suggestion: asked for when typing rests, drawn as it grows, kept while the user types what it says,
--- dropped when it no longer fits. There is at most one, in the buffer that is being typed in.
local client = require("hearth.client")
local config = require("hearth.config")
local fit = require("hearth.fit")
local menu = require("hearth.menu")
local requests = require("hearth.requests")
local screen = require("hearth.screen")
local suggestion = require("hearth.suggestion")
local telemetry = require("hearth.telemetry")
local views = require("hearth.view")

local M = {}

local api = vim.api

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
---@field step integer Alternatives to go forward once they have come; not 0 when it was begun to get more of them.
---@field later integer Alternatives to go forward once the answer is complete.

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

---@type table<hearth.End, boolean>
local REFUSALS = { diverged = true, dismissed = true, left = true }

--- The session that is under way.
---@return hearth.Session?
function M.current()
  return current
end

---@return hearth.View?
local function newest()
  return current and views.of(current) or nil
end

--- End the session, if there is one, and tell the server why.
---@param reason hearth.End
function M.close(reason)
  local session = current
  if not session then
    return
  end
  current = nil
  screen.hide()
  if session.request then
    requests.cancel(session.request)
  end
  fit.release(session.anchor)
  local last = session.suggestions[session.index]
  if last and REFUSALS[reason] then
    telemetry.rejected(last.id)
  end
end

---@param session hearth.Session
---@param value any
---@return hearth.Suggestion[]
local function read(session, value)
  local server = client.get()
  return server and suggestion.read(value, session.anchor, server.offset_encoding) or {}
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
  local found = read(session, value)
  local first, shown = found[1], session.suggestions[session.index]
  if session.carried and shown and (not first or vim.startswith(shown.text, first.text)) then
    -- What is on screen says more than the new answer does yet; going back would flicker.
    return
  end
  session.carried = false
  session.suggestions = found
  session.index = 1
  screen.show_soon(newest)
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
  local found = err and {} or read(session, value)
  if #found == 0 then
    if is_outdated(session) and views.of(session) then
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
  local view = views.of(session)
  if not views.has_text(view) then
    M.close(view and "typed" or "withdrawn")
    M.schedule()
    return
  end
  screen.show(view)
  if session.later ~= 0 then
    M.cycle(session.later)
  end
end

--- What is on screen, as the start of a new session at the cursor.
---@return hearth.Suggestion[]
local function carry_over()
  local view = current and not menu.blocks() and views.of(current) or nil
  if not view or not views.has_text(view) then
    return {}
  end
  return { views.remainder(view) }
end

---@param invoked boolean
---@param step? integer
local function ask(invoked, step)
  local bufnr = api.nvim_get_current_buf()
  local server = client.for_buffer(bufnr)
  if not server or menu.blocks() then
    return
  end
  local row, col = views.cursor()
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
    later = 0,
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

local typing_timer = assert(vim.uv.new_timer())
--- A timer that is stopped may have fired already and wait for its turn, so that stopping it is not enough.
local scheduled = 0

--- Ask for nothing after all.
function M.unschedule()
  scheduled = scheduled + 1
  typing_timer:stop()
end

--- Ask for a suggestion once typing rests.
function M.schedule()
  if not config.current.auto_trigger then
    return
  end
  M.unschedule()
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
  M.unschedule()
  ask(true)
end

--- Hide the suggestion until something is typed.
function M.dismiss()
  M.unschedule()
  M.close("dismissed")
end

--- Show another alternative. When there is but one the server is asked for more, which it has for a complete answer only.
---@param step integer
function M.cycle(step)
  if not current then
    return
  end
  local count = #current.suggestions
  if count > 1 then
    current.invoked = true
    current.index = (current.index - 1 + step) % count + 1
    screen.show(newest())
  elseif current.step == 0 and current.request then
    current.later = step
  elseif current.step == 0 then
    ask(true, step)
  end
end

--- Whether nothing more is to come of what is visible.
---@return boolean
function M.is_complete()
  return current ~= nil and current.request == nil and not current.incomplete
end

--- What is visible now.
---@return hearth.View?
function M.view()
  return screen.is_visible() and newest() or nil
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

return M
