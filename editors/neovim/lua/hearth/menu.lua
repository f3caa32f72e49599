--- Whether something else has the user's attention: a completion menu, a snippet, a macro.
local config = require("hearth.config")

local M = {}

--- nvim-cmp, once it is loaded, and whether its menu is open. It tells: asking it waits for all that it is looking up.
---@class (exact) hearth.Cmp
---@field plugin? table
---@field open boolean
local cmp = { open = false }

--- Told when the menu or the ghost text of another plugin may have come or gone.
local changed = function() end

local function listen_to_cmp()
  local plugin = package.loaded["cmp"]
  if cmp.plugin or type(plugin) ~= "table" or not plugin.event then
    return
  end
  cmp.plugin = plugin
  for event, open in pairs({ menu_opened = true, menu_closed = false }) do
    plugin.event:on(event, function()
      if cmp.open ~= open then
        cmp.open = open
        changed()
      end
    end)
  end
end

---@param question string
---@return boolean
local function blink_says(question)
  local blink = package.loaded["blink.cmp"]
  return type(blink) == "table" and blink[question] ~= nil and blink[question]() == true
end

--- Whether a completion menu is open: Neovim's own, nvim-cmp's or blink.cmp's.
---@return boolean
function M.is_open()
  -- Only plugins that are loaded already are looked at; a menu of theirs is a floating window that Neovim does not report.
  listen_to_cmp()
  return vim.fn.pumvisible() == 1 or cmp.open or blink_says("is_menu_visible")
end

--- Whether a plugin of menus draws what it would insert at the cursor, as blink.cmp may without a menu.
---@return boolean
local function has_other_ghost_text()
  if blink_says("is_ghost_text_visible") then
    return true
  end
  local experimental = cmp.open and cmp.plugin.get_config and cmp.plugin.get_config().experimental
  return experimental and experimental.ghost_text and true or false
end

--- Whether ghost text has to stay away now.
---@return boolean
function M.blocks()
  -- "ic" and "ix" are insert mode with a completion going on.
  local mode = vim.api.nvim_get_mode().mode
  if not mode:match("^i[cx]?$") or vim.o.paste then
    return true
  elseif config.current.hide_with_menu and mode ~= "i" then
    return true
  elseif vim.fn.reg_recording() ~= "" or vim.fn.reg_executing() ~= "" then
    return true
  elseif config.current.hide_with_snippet and vim.snippet.active({ direction = 1 }) then
    return true
  end
  local open = M.is_open()
  return open and config.current.hide_with_menu or has_other_ghost_text()
end

---@param group integer
---@param listener fun() Called when `blocks` may answer otherwise than before.
function M.setup(group, listener)
  changed = listener
  vim.api.nvim_create_autocmd({ "CompleteChanged", "CompleteDone" }, {
    group = group,
    callback = listener,
  })
  vim.api.nvim_create_autocmd("User", {
    group = group,
    pattern = {
      "BlinkCmpMenuOpen",
      "BlinkCmpMenuClose",
      "BlinkCmpShow",
      "BlinkCmpListSelect",
      "BlinkCmpHide",
    },
    callback = listener,
  })
end

return M
