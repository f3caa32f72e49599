--- The connection to the server: one process for all buffers, started again with back-off when it dies.
local config = require("hearth.config")
local errors = require("hearth.errors")
local launch = require("hearth.launch")
local notices = require("hearth.notices")
local policy = require("hearth.policy")
local requests = require("hearth.requests")

local M = {}

local uv = vim.uv

--- Pauses before a new start, in milliseconds; after the last one the plugin gives up.
local BACKOFF_MS = { 500, 1000, 2000, 5000, 10000, 30000 }
--- A server that lived this long was healthy: the next death counts as the first.
local HEALTHY_MS = 60000
--- Exit code of a server that does not take its arguments or settings; it would not the next time either.
local BAD_COMMAND = 2
--- How soon a refusal to begin follows the message that says the same, in milliseconds.
local REFUSAL_FOLLOWS_MS = 200

---@alias hearth.Phase
---| "off"        Not started yet, or stopped by the user.
---| "missing"    The command is not executable.
---| "starting"
---| "running"
---| "waiting"    It died; a new start is due.
---| "failed"     It died too often, or cannot be started.
---| "refused"    It does not want us, and said why.

---@class (exact) hearth.Connection
---@field phase hearth.Phase
---@field client_id? integer
---@field started_at integer Milliseconds of the monotonic clock.
---@field deaths integer In a row.
---@field detail string Why it is not running, in words.
---@field due_at? integer When the next start is due, while waiting.
---@field timer? uv.uv_timer_t
---@field status? hearth.ServerStatus What the server last said of itself.
---@field stopping boolean Whether the coming exit is wanted.
---@field again boolean Whether to start anew after it.
---@field attempt integer Counts the starts, so that a token that comes late is known to be for an earlier one.
---@field refusal? string Why the server does not want us, until the next start.
local connection = {
  phase = "off",
  started_at = 0,
  deaths = 0,
  detail = "not started yet",
  stopping = false,
  again = false,
  attempt = 0,
}

---@type (fun(client: vim.lsp.Client))[] Work that waits for the server to be ready.
local waiting = {}

---@param phase hearth.Phase
---@param detail? string
local function enter(phase, detail)
  connection.phase = phase
  connection.detail = detail or ""
  vim.api.nvim_exec_autocmds("User", { pattern = "HearthStatus", modeline = false })
  vim.cmd.redrawstatus({ bang = true, mods = { emsg_silent = true } })
end

---@param root? string
---@param command hearth.Command
---@return vim.lsp.ClientConfig
local function client_config(root, command)
  local settings = config.current
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  -- Neovim 0.11 draws no inline completion of its own, so it does not announce any.
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
  return {
    name = "hearth",
    cmd = function(dispatchers)
      return M._spawn(dispatchers, command)
    end,
    capabilities = capabilities,
    workspace_folders = root and { { uri = vim.uri_from_fname(root), name = root } } or nil,
    -- The team's server has its own data and settings, and knows of others than these.
    init_options = not launch.is_remote() and {
      hearth = {
        data = settings.data or nil,
        config = settings.config_file or nil,
        autoIndex = settings.auto_index,
      },
    } or nil,
    exit_timeout = 1000,
    handlers = {
      ["$/progress"] = function(err, params, context)
        if not requests.receive(params) then
          vim.lsp.handlers["$/progress"](err, params, context)
        end
      end,
      ["hearth/status"] = function(_, params)
        connection.status = params
        enter(connection.phase, connection.detail)
      end,
      ["window/showMessage"] = function(_, params)
        M._show(params)
      end,
    },
    commands = {
      ["hearth.explain"] = function(given)
        require("hearth.explain").run(given.arguments[1])
      end,
    },
    on_init = function(client)
      enter("running")
      local work = waiting
      waiting = {}
      for _, each in ipairs(work) do
        each(client)
      end
    end,
    on_attach = function(client)
      -- Two plugins would draw the same suggestion twice; Neovim 0.11 has no built-in one.
      local builtin = vim.lsp.inline_completion
      if builtin and builtin.is_enabled({ client_id = client.id }) then
        builtin.enable(false, { client_id = client.id })
      end
    end,
  }
end

--- What the server has to say to the user, who has other servers as well.
---@param params lsp.ShowMessageParams
function M._show(params)
  local message = params.message
  if not vim.startswith(message, "Hearth") then
    message = "Hearth: " .. message
  end
  local levels = vim.log.levels
  local level = ({ levels.ERROR, levels.WARN, levels.INFO })[params.type] or levels.DEBUG
  if connection.phase ~= "starting" then
    notices.say(message, level)
    return
  end
  local attempt = connection.attempt
  enter("starting", params.message)
  vim.defer_fn(function()
    -- A refusal is said once, with what to do about it.
    if connection.attempt == attempt and not connection.refusal then
      notices.say(message, level)
    end
  end, REFUSAL_FOLLOWS_MS)
end

--- Start the process. Its real exit code is kept from vim.lsp, which would add a message of its own for each death,
--- and so is a refusal of `initialize`, of which it would show the place in its source.
---@param dispatchers vim.lsp.rpc.Dispatchers
---@param command hearth.Command
---@return vim.lsp.rpc.PublicClient
function M._spawn(dispatchers, command)
  local report = dispatchers.on_exit
  local wrapped = vim.tbl_extend("force", {}, dispatchers)
  wrapped.on_exit = function(code, signal)
    report(0, 0)
    vim.schedule(function()
      M._on_exit(code, signal)
    end)
  end
  local rpc = vim.lsp.rpc.start(command.words, wrapped, { env = command.env })
  local request = rpc.request
  rpc.request = function(method, params, callback, ...)
    if method ~= "initialize" then
      return request(method, params, callback, ...)
    end
    return request(method, params, function(err, result)
      if err then
        connection.refusal = err.message
        rpc.terminate()
      else
        callback(err, result)
      end
    end, ...)
  end
  return rpc
end

---@param bufnr integer
---@return string?
local function root_of(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  return vim.fs.root(name ~= "" and name or assert(uv.cwd()), ".git")
end

--- Tell a running server of one more repository.
---@param client vim.lsp.Client
---@param root? string
local function add_folder(client, root)
  if not root then
    return
  end
  local uri = vim.uri_from_fname(root)
  for _, folder in ipairs(client.workspace_folders or {}) do
    if folder.uri == uri then
      return
    end
  end
  local folder = { uri = uri, name = root }
  client.workspace_folders = client.workspace_folders or {}
  table.insert(client.workspace_folders, folder)
  client:notify(
    "workspace/didChangeWorkspaceFolders",
    { event = { added = { folder }, removed = {} } }
  )
end

--- The client, whether or not it has answered `initialize` yet.
---@return vim.lsp.Client?
function M.get()
  return connection.client_id and vim.lsp.get_client_by_id(connection.client_id) or nil
end

---@param code hearth.ErrorCode
---@param detail string
local function fail(code, detail)
  waiting = {}
  enter("failed", detail)
  errors.notify(code, detail)
end

---@param root? string
---@param command hearth.Command
local function begin(root, command)
  connection.started_at = uv.now()
  local started, result =
    pcall(vim.lsp.start, client_config(root, command), { attach = false, silent = true })
  if started and result then
    connection.client_id = result
  else
    fail("start_failed", tostring(result))
  end
end

--- Start the server unless it runs. False when that is not possible now.
---@param root? string
---@return boolean
local function start(root)
  local phase = connection.phase
  if M.get() or phase == "starting" then
    return true
  elseif phase == "waiting" or phase == "failed" or phase == "refused" then
    return false
  end
  local program = launch.program()
  if vim.fn.executable(program) == 0 then
    if connection.phase ~= "missing" then
      enter("missing", ("%s is not executable"):format(program))
      errors.notify("not_executable", program)
    end
    return false
  end
  connection.stopping = false
  connection.refusal = nil
  connection.attempt = connection.attempt + 1
  local attempt = connection.attempt
  enter("starting")
  launch.prepare(function(command, problem)
    if attempt ~= connection.attempt then
      return
    elseif command then
      begin(root, command)
    else
      fail("no_token", problem or "")
    end
  end)
  return connection.phase ~= "failed"
end

--- Let the server see the buffer, if the policy allows it; take it away again if not.
---@param bufnr integer
function M.sync_buffer(bufnr)
  local client = M.get()
  local attached = client and client.attached_buffers[bufnr]
  if not policy.allows(bufnr) then
    if attached and client then
      vim.lsp.buf_detach_client(bufnr, client.id)
    end
    return
  end
  if attached then
    return
  end
  local root = root_of(bufnr)
  if start(root) then
    M.when_ready(function(ready)
      if policy.allows(bufnr) then
        add_folder(ready, root)
        vim.lsp.buf_attach_client(bufnr, ready.id)
      end
    end)
  end
end

--- Bring all open buffers in line with the policy.
function M.sync_all()
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) then
      M.sync_buffer(bufnr)
    end
  end
end

--- Call with the client as soon as it has answered `initialize`.
---@param work fun(client: vim.lsp.Client)
function M.when_ready(work)
  local client = M.get()
  if client and client.initialized then
    work(client)
  else
    table.insert(waiting, work)
  end
end

--- Call with the client, starting the server when there is none; one message when that cannot be.
---@param work fun(client: vim.lsp.Client)
function M.with_server(work)
  if start(root_of(vim.api.nvim_get_current_buf())) then
    M.when_ready(work)
  elseif connection.phase ~= "missing" then
    errors.notify("no_server", connection.detail)
  else
    errors.notify("not_executable", launch.program())
  end
end

--- The client of a buffer that the server knows, when it is ready to answer.
---@param bufnr integer
---@return vim.lsp.Client?
function M.for_buffer(bufnr)
  local client = M.get()
  if
    client
    and client.initialized
    and client.attached_buffers[bufnr]
    and not client:is_stopped()
  then
    return client
  end
end

local function start_again()
  if connection.again then
    connection.again = false
    M.sync_all()
  end
end

---@param code integer
---@param signal integer
function M._on_exit(code, signal)
  connection.client_id = nil
  connection.status = nil
  waiting = {}
  require("hearth.session").close("server")
  if vim.v.exiting ~= vim.NIL then
    return
  end
  requests.forget()
  if connection.stopping then
    connection.stopping = false
    enter("off", "stopped")
    start_again()
    return
  end
  if connection.refusal then
    enter("refused", connection.refusal)
    errors.notify("refused", connection.refusal)
    return
  end
  local why = signal ~= 0 and ("signal %d"):format(signal) or ("exit code %d"):format(code)
  if code == BAD_COMMAND then
    enter("failed", ("stopped with %s"):format(why))
    errors.notify("bad_command", table.concat(launch.command().words, " "))
    return
  end
  if uv.now() - connection.started_at >= HEALTHY_MS then
    connection.deaths = 0
  end
  connection.deaths = connection.deaths + 1
  local pause = BACKOFF_MS[connection.deaths]
  if not pause then
    enter("failed", ("stopped with %s"):format(why))
    errors.notify("gave_up", connection.deaths, why)
    return
  end
  connection.due_at = uv.now() + pause
  enter("waiting", ("stopped with %s"):format(why))
  connection.timer = connection.timer or assert(uv.new_timer())
  connection.timer:start(
    pause,
    0,
    vim.schedule_wrap(function()
      if connection.phase == "waiting" then
        connection.phase = "off"
        M.sync_all()
        enter(connection.phase, connection.detail)
      end
    end)
  )
end

--- Stop the server and leave it stopped.
function M.stop()
  if connection.timer then
    connection.timer:stop()
  end
  local client = M.get()
  if client then
    connection.stopping = true
    client:stop()
  else
    connection.attempt = connection.attempt + 1
    waiting = {}
    enter("off", "stopped")
    start_again()
  end
end

--- Start the server afresh, whatever state it is in.
function M.restart()
  connection.deaths = 0
  connection.again = true
  M.stop()
end

--- Send a notification that nobody answers; nothing happens without a server.
---@param method string
---@param params table
function M.notify(method, params)
  local client = M.get()
  if client and client.initialized then
    client:notify(method, params)
  end
end

---@return hearth.Connection
function M.connection()
  return connection
end

return M
