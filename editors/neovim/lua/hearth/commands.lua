--- The `:Hearth…` commands.
local client = require("hearth.client")
local policy = require("hearth.policy")

local M = {}

local SCOPES = { "all", "buffer", "filetype" }

--- Whether the scope is on now.
---@param scope string
---@param name string
---@return boolean
local function is_on(scope, name)
  if scope == "all" then
    return policy.is_on()
  elseif scope == "filetype" then
    return policy.serves_filetype(name)
  end
  return (policy.allows(vim.api.nvim_get_current_buf()))
end

--- Switch everything, this buffer or a filetype.
---@param scope string
---@param name string Of the filetype.
---@param on boolean
local function switch(scope, name, on)
  if scope == "all" then
    policy.switch_all(on)
  elseif scope == "buffer" then
    policy.switch_buffer(vim.api.nvim_get_current_buf(), on)
  else
    policy.switch_filetype(name, on)
  end
  if not on then
    require("hearth.session").dismiss()
  end
  client.sync_all()
  vim.cmd.redrawstatus({ bang = true })
end

---@param wanted fun(scope: string, name: string): boolean
---@return fun(arguments: vim.api.keyset.create_user_command.command_args)
local function switcher(wanted)
  return function(arguments)
    local scope = arguments.fargs[1] or "all"
    if not vim.list_contains(SCOPES, scope) then
      require("hearth.errors").notify("no_scope", scope, table.concat(SCOPES, ", "))
      return
    end
    local name = arguments.fargs[2] or vim.bo.filetype
    switch(scope, name, wanted(scope, name))
  end
end

---@param lead string
---@param line string
---@return string[]
local function complete_scope(lead, line)
  local words = vim.split(line, "%s+")
  if #words > 3 or words[2] == "filetype" then
    return words[2] == "filetype" and vim.fn.getcompletion(lead, "filetype") or {}
  end
  return vim.tbl_filter(function(each)
    return vim.startswith(each, lead)
  end, SCOPES)
end

function M.setup()
  local function define(name, action, options)
    vim.api.nvim_create_user_command(name, action, options)
  end
  local scoped = { nargs = "*", complete = complete_scope }
  define(
    "HearthEnable",
    switcher(function()
      return true
    end),
    vim.tbl_extend("force", scoped, { desc = "Switch Hearth on" })
  )
  define(
    "HearthDisable",
    switcher(function()
      return false
    end),
    vim.tbl_extend("force", scoped, { desc = "Switch Hearth off" })
  )
  define(
    "HearthToggle",
    switcher(function(scope, name)
      return not is_on(scope, name)
    end),
    vim.tbl_extend("force", scoped, { desc = "Switch Hearth on or off" })
  )
  define("HearthExplain", function(arguments)
    local range = arguments.range > 0 and { first = arguments.line1, last = arguments.line2 } or nil
    require("hearth.explain").here(range, arguments.args)
  end, { range = true, nargs = "*", desc = "Explain the lines, or the symbol at the cursor" })
  define("HearthStop", function()
    require("hearth.explain").stop()
  end, { desc = "Stop the explanation that is being written" })
  define("HearthWhy", function()
    require("hearth.why").run()
  end, { desc = "Show what the last suggestion was made from" })
  define(
    "HearthSearch",
    function(arguments)
      require("hearth.search").run(arguments.args, arguments.bang)
    end,
    { nargs = "*", bang = true, desc = "Search the company's code; with ! into the quickfix list" }
  )
  define("HearthStatus", function()
    require("hearth.status").run()
  end, { desc = "Show the state of the server and of the index" })
  define("HearthRestart", function()
    client.restart()
  end, { desc = "Stop the server and start it afresh" })
end

return M
