--- Wires Neovim's events to the suggestion on screen.
local client = require("hearth.client")
local menu = require("hearth.menu")
local session = require("hearth.session")
local typing = require("hearth.typing")

local M = {}

local api = vim.api

--- A menu opens or closes, or the mode becomes one that ghost text keeps out of: look again when that is done.
local look_again = vim.schedule_wrap(function()
  if api.nvim_get_mode().mode:sub(1, 1) == "i" then
    typing.on_change()
  end
end)

--- There may be something now for a user who typed before the server was there, or before it had read the repository.
local ask_late = vim.schedule_wrap(function()
  if api.nvim_get_mode().mode:sub(1, 1) == "i" and not session.current() then
    typing.on_enter()
  end
end)

local was_ready = false

local function on_status()
  local status = client.connection().status
  local is_ready = status ~= nil and status.index.state == "ready"
  if is_ready and not was_ready then
    ask_late()
  end
  was_ready = is_ready
end

---@param group integer
function M.setup(group)
  local function on(events, pattern, callback)
    api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
  end
  on("InsertEnter", "*", typing.on_enter)
  on({ "TextChangedI", "TextChangedP", "CursorMovedI" }, "*", typing.on_change)
  on({ "InsertLeave", "BufLeave", "WinLeave", "CmdlineEnter" }, "*", typing.on_leave)
  on("ModeChanged", { "*:i*", "*:R*" }, look_again)
  on("RecordingEnter", "*", look_again)
  on("User", "HearthStatus", on_status)
  on("LspAttach", "*", function(event)
    local server = client.get()
    if server and server.id == event.data.client_id and event.buf == api.nvim_get_current_buf() then
      ask_late()
    end
  end)
  menu.setup(group, look_again)
end

return M
