--- Wires Neovim's events to the suggestion on screen.
local menu = require("hearth.menu")
local typing = require("hearth.typing")

local M = {}

local api = vim.api

--- A menu opens or closes, or the mode becomes one that ghost text keeps out of: look again when that is done.
local look_again = vim.schedule_wrap(function()
  if api.nvim_get_mode().mode:sub(1, 1) == "i" then
    typing.on_change()
  end
end)

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
  menu.setup(group, look_again)
end

return M
