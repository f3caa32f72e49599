--- `:checkhealth hearth`
local client = require("hearth.client")
local config = require("hearth.config")
local launch = require("hearth.launch")
local policy = require("hearth.policy")

local M = {}

local health = vim.health

local SEE_STATUS = ":HearthStatus has what the server said of it."
local LAST_WORDS = ("Its last words are in %s"):format(vim.lsp.log.get_filename())

--- What a program prints, or nil when it fails or takes longer than five seconds.
---@param command string[]
---@return string?
local function output_of(command)
  local started, job = pcall(vim.system, command, { text = true, timeout = 5000 })
  if not started then
    return nil
  end
  local done = job:wait()
  return done.code == 0 and vim.trim(done.stdout) or nil
end

local function check_command()
  local program = launch.program()
  if vim.fn.executable(program) == 0 then
    health.error(("`%s` is not executable"):format(program), {
      "Install Hearth, or name its program by `cmd` in require('hearth').setup{}.",
    })
    return
  end
  health.ok(("`%s` is %s"):format(program, vim.fn.exepath(program)))
  local version = output_of({ program, "--version" })
  if version then
    health.info(version)
  else
    health.warn(("`%s --version` does not answer"):format(program), {
      "Run it in a terminal to see why.",
    })
  end
end

---@param path string
---@param what string
local function check_readable(path, what)
  if vim.uv.fs_access(vim.fs.normalize(path), "R") then
    health.ok(("%s is read from %s"):format(what, path))
  else
    health.error(("%s cannot be read from %s"):format(what, path), {
      "See `server` in :help hearth-configuration.",
    })
  end
end

local function check_team()
  local server = config.current.server
  if not launch.is_remote() then
    health.info("`server.url` is not set: the server runs on this machine")
    return
  end
  health.info(("the server is the team's, at %s"):format(server.url))
  local command = server.token_command
  if server.token_file then
    check_readable(server.token_file, "the token")
  elseif command and vim.fn.executable(command[1]) == 1 then
    health.ok(("the token is printed by `%s`"):format(command[1]))
  elseif command then
    health.error(("`%s`, which should print the token, is not executable"):format(command[1]))
  elseif vim.env[server.token_env] then
    health.ok(("the token is in $%s"):format(server.token_env))
  else
    health.info(("the token is the one that `hearth sign-in %s` keeps"):format(server.url))
  end
  if server.ca_file then
    check_readable(server.ca_file, "the company's CA")
  end
end

---@param status hearth.ServerStatus
local function check_status(status)
  local engine = status.engine
  local detail = engine.detail or ""
  if engine.rung == "quiet" then
    health.warn(("no engine answers: %s"):format(detail), { SEE_STATUS })
  else
    health.info(("engine: %s %s"):format(engine.rung, detail))
  end
  if engine.tokens ~= "" then
    health.info(require("hearth.status").tokens(engine))
  end
  if status.index.state == "failed" then
    health.warn("index: failed", { SEE_STATUS })
  else
    health.info(("index: %s"):format(status.index.state))
  end
  if status.connected == false then
    health.warn("the connection to the team's server is lost, and comes back by itself")
  end
end

local function check_server()
  local connection = client.connection()
  local phase, detail = connection.phase, connection.detail
  local words = table.concat(launch.command().words, " ")
  if phase == "running" then
    health.ok("the server is running")
  elseif phase == "refused" then
    health.error(("the server refused: %s"):format(detail), {
      "When that is put right, :HearthRestart tries again.",
    })
  elseif phase == "starting" then
    health.info(
      detail ~= "" and ("the server is starting: %s"):format(detail) or "the server is starting"
    )
  elseif phase == "off" then
    health.info(("the server is not running: %s"):format(detail))
  elseif phase == "waiting" then
    health.warn(("the server is started again soon: %s"):format(detail), { LAST_WORDS })
  elseif phase == "failed" then
    health.error(("the server is not running: %s"):format(detail), {
      ("`%s` in a terminal may say what is wrong."):format(words),
      LAST_WORDS,
      ":HearthRestart starts it again.",
    })
  end
  if connection.status then
    check_status(connection.status)
  end
end

local function check_keys()
  for name, lhs in vim.spairs(config.current.keymaps) do
    if lhs then
      health.info(("%s: %s"):format(lhs, name:gsub("_", " ")))
    end
  end
  if vim.o.paste then
    health.warn("'paste' is set: no suggestions while it is.", { ":set nopaste" })
  end
end

function M.check()
  health.start("Hearth")
  if vim.fn.has("nvim-0.11") == 1 then
    health.ok(("Neovim %s"):format(tostring(vim.version())))
  else
    health.error("Hearth needs Neovim 0.11 or newer.")
    return
  end
  if vim.fn.exists(":HearthStatus") == 0 then
    health.warn("setup() was not called.", { "Put require('hearth').setup{} into your init.lua." })
  elseif not policy.is_on() then
    health.warn("Hearth is switched off.", { ":HearthEnable" })
  end
  -- Neovim 0.11 cannot be asked.
  if vim.lsp.is_enabled and vim.lsp.is_enabled("hearth") then
    health.warn("vim.lsp.enable('hearth') starts a second server, beside this plugin's.", {
      "Use one or the other; see :help hearth-builtin.",
    })
  end
  health.start("Hearth: server")
  check_command()
  check_team()
  check_server()
  health.start("Hearth: keys while a suggestion is visible")
  check_keys()
end

return M
