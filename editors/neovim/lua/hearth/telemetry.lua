--- Tells the user's own server what became of a suggestion: its id and lengths, never text.
local client = require("hearth.client")
local config = require("hearth.config")

local M = {}

--- A suggestion counts as shown when it has been on screen this long, so that what flashes by between two keys does not.
local SHOWN_AFTER_MS = 750

---@type table<string, "shown"|"taken"|"over"> What the server was told of each suggestion.
local told = {}
---@type string? The suggestion on screen.
local on_screen
local timer = assert(vim.uv.new_timer())

---@param what string
---@param params table
local function send(what, params)
  if config.current.telemetry then
    client.notify("hearth/did" .. what .. "Completion", params)
  end
end

---@param id string
local function tell_shown(id)
  if not told[id] then
    told[id] = "shown"
    send("Show", { id = id })
  end
end

---@param id? string
function M.appears(id)
  if id == on_screen then
    return
  end
  timer:stop()
  on_screen = id
  if id and not told[id] then
    timer:start(
      SHOWN_AFTER_MS,
      0,
      vim.schedule_wrap(function()
        if on_screen == id then
          tell_shown(id)
        end
      end)
    )
  end
end

---@param id? string
function M.accepted(id)
  if id and told[id] ~= "over" then
    tell_shown(id)
    told[id] = "over"
    send("Accept", { id = id })
  end
end

---@param id? string
---@param length integer UTF-16 code units from the start of the item's text.
function M.partially_accepted(id, length)
  if id and told[id] ~= "over" then
    tell_shown(id)
    told[id] = "taken"
    send("PartiallyAccept", { id = id, acceptedLength = length })
  end
end

--- The user turned away from a suggestion; one that was never counted as shown is not a refusal.
---@param id? string
function M.rejected(id)
  if id and told[id] == "shown" then
    told[id] = "over"
    send("Reject", { id = id })
  end
end

return M
