--- Wires Neovim's events to the suggestion on screen.
local typing = require("hearth.typing")

local M = {}

local api = vim.api

--- A menu opens or closes, or the mode becomes one that ghost text keeps out of: look again when that is done.
local look_again = vim.schedule_wrap(function()
  if api.nvim_get_mode().mode:sub(1, 1) == "i" then
    typing.on_change()
  end
end)

local listens_to_cmp = false

--- nvim-cmp reports its menu through an object of its own, which is there once the plugin is loaded.
local function listen_to_cmp()
  local cmp = package.loaded["cmp"]
  if type(cmp) == "table" and cmp.event and not listens_to_cmp then
    listens_to_cmp = true
    cmp.event:on("menu_opened", look_again)
    cmp.event:on("menu_closed", look_again)
  end
end

---@param group integer
function M.setup(group)
  local function on(events, pattern, callback)
    api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
  end
  on("InsertEnter", "*", function()
    listen_to_cmp()
    typing.on_enter()
  end)
  on({ "TextChangedI", "TextChangedP", "CursorMovedI" }, "*", typing.on_change)
  on({ "InsertLeave", "BufLeave", "WinLeave", "CmdlineEnter" }, "*", typing.on_leave)
  on({ "CompleteChanged", "CompleteDone" }, "*", look_again)
  on("ModeChanged", { "*:i*", "*:R*" }, look_again)
  on("RecordingEnter", "*", look_again)
  on("User", { "BlinkCmpMenuOpen", "BlinkCmpMenuClose" }, look_again)
end

return M
