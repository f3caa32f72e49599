--- Which process speaks for the server: `hearth lsp` on this machine, or `hearth connect` to the team's.
local config = require("hearth.config")

local M = {}

--- A password manager may ask its user first.
local TOKEN_COMMAND_MS = 120000

--- Whether the server is the team's, on another machine.
---@return boolean
function M.is_remote()
  return config.current.server.url ~= false
end

--- The program that has to be there.
---@return string
function M.program()
  return (M.is_remote() and config.current.server.cmd or config.current.cmd)[1]
end

---@class (exact) hearth.Command
---@field words string[]
---@field env table<string, string>

---@return hearth.Command
function M.command()
  local settings = config.current
  local env = vim.deepcopy(settings.cmd_env)
  if not M.is_remote() then
    return { words = settings.cmd, env = env }
  end
  local server = settings.server
  local words = vim.list_extend({}, server.cmd)
  vim.list_extend(words, { server.url, "--token-env", server.token_env })
  for option, path in pairs({ ["--token-file"] = server.token_file, ["--ca"] = server.ca_file }) do
    if path then
      vim.list_extend(words, { option, vim.fs.normalize(path) })
    end
  end
  return { words = words, env = env }
end

--- What a token command did, in words; nil when it printed a token.
---@param done vim.SystemCompleted
---@return string?
local function trouble(done)
  if done.code == 124 then
    return ("it was still running after %d s"):format(TOKEN_COMMAND_MS / 1000)
  elseif done.code ~= 0 or done.signal ~= 0 then
    local said = vim.trim(done.stderr or "")
    return said ~= "" and said or ("it ended with exit code %d"):format(done.code)
  elseif vim.trim(done.stdout or "") == "" then
    return "it printed nothing"
  end
end

--- Call with the command, as soon as the token is there; or with what is wrong.
---@param ready fun(command?: hearth.Command, problem?: string)
function M.prepare(ready)
  local command = M.command()
  local server = config.current.server
  if not M.is_remote() or not server.token_command then
    ready(command)
    return
  end
  local name = server.token_command[1]
  local started, problem = pcall(
    vim.system,
    server.token_command,
    { text = true, timeout = TOKEN_COMMAND_MS },
    vim.schedule_wrap(function(done)
      local wrong = trouble(done)
      if wrong then
        ready(nil, ("%s: %s"):format(name, wrong))
        return
      end
      -- In the environment other users cannot see it, as they could in the arguments.
      command.env[server.token_env] = vim.trim(done.stdout)
      ready(command)
    end)
  )
  if not started then
    ready(nil, ("%s cannot be run: %s"):format(name, problem))
  end
end

return M
