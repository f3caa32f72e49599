--- Hearth in Neovim. This is all that other code should use; see :help hearth.
local M = {}

--- The oldest Neovim whose `vim.lsp` has what this plugin calls.
local OLDEST = "nvim-0.11"

--- Start Hearth with the user's settings over the defaults.
---@param given? table See |hearth-configuration|.
function M.setup(given)
  if vim.fn.has(OLDEST) == 0 then
    vim.notify("Hearth needs Neovim 0.11 or newer.", vim.log.levels.ERROR)
    return
  end
  local config, problems = require("hearth.config").apply(given)
  if #problems > 0 then
    require("hearth.errors").notify("bad_config", table.concat(problems, "; "))
  end
  local group = vim.api.nvim_create_augroup("hearth", { clear = true })
  local client = require("hearth.client")
  local policy = require("hearth.policy")
  policy.switch_all(config.enabled)
  require("hearth.ghost").define_highlights()
  require("hearth.requests").setup(group)
  require("hearth.events").setup(group)
  require("hearth.keys").setup(group)
  require("hearth.commands").setup()
  require("hearth.places").setup(group)

  vim.api.nvim_create_autocmd("ColorScheme", {
    group = group,
    callback = require("hearth.ghost").define_highlights,
  })
  vim.api.nvim_create_autocmd({ "BufEnter", "FileType", "BufFilePost", "BufReadPost" }, {
    group = group,
    callback = function(event)
      -- The filetype is set by a later handler of the same event.
      vim.schedule(function()
        if vim.api.nvim_buf_is_loaded(event.buf) then
          client.sync_buffer(event.buf)
        end
      end)
    end,
  })
  vim.api.nvim_create_autocmd("BufWipeout", {
    group = group,
    callback = function(event)
      policy.forget(event.buf)
    end,
  })
  if vim.v.vim_did_enter == 1 then
    client.sync_all()
  end
end

--- Whether ghost text is visible.
---@return boolean
function M.is_visible()
  return require("hearth.screen").is_visible()
end

--- Take the whole suggestion. False when none is visible, so that a mapping can do something else.
---@return boolean
function M.accept()
  return require("hearth.accept").feed("accept")
end

--- Take its next word.
---@return boolean
function M.accept_word()
  return require("hearth.accept").feed("accept_word")
end

--- Take the rest of its line.
---@return boolean
function M.accept_line()
  return require("hearth.accept").feed("accept_line")
end

--- Hide it until something is typed.
---@return boolean
function M.dismiss()
  return require("hearth.accept").feed("dismiss")
end

--- Show the next alternative.
---@return boolean
function M.next()
  return require("hearth.accept").feed("next")
end

--- Show the previous alternative.
---@return boolean
function M.previous()
  return require("hearth.accept").feed("previous")
end

--- Ask for a suggestion now.
function M.trigger()
  require("hearth.session").trigger()
end

--- A word on Hearth's state for a statusline: `%{v:lua.require'hearth'.statusline()}`.
---@return string
function M.statusline()
  return require("hearth.status").short()
end

return M
