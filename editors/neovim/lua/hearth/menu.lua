--- Whether something else has the user's attention: a completion menu, a snippet, a macro.
local config = require("hearth.config")

local M = {}

--- Whether a completion menu is open: Neovim's own, nvim-cmp's or blink.cmp's.
---@return boolean
function M.is_open()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  -- Only plugins that are loaded already are asked; a menu of theirs is a floating window that Neovim does not report.
  local cmp = package.loaded["cmp"]
  if type(cmp) == "table" and cmp.visible and cmp.visible() then
    return true
  end
  local blink = package.loaded["blink.cmp"]
  return type(blink) == "table" and blink.is_menu_visible ~= nil and blink.is_menu_visible() == true
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
  return config.current.hide_with_menu and M.is_open()
end

return M
