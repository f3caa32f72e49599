--- The connection to the server: one process for all buffers, started again with back-off when it dies.
local config = require("hearth.config")
local errors = require("hearth.errors")
local policy = require("hearth.policy")

local M = {}

local uv = vim.uv

--- Pauses before a new start, in milliseconds; after the last one the plugin gives up.
local BACKOFF_MS = { 500, 1000, 2000, 5000, 10000, 30000 }
--- A server that lived this long was healthy: the next death counts as the first.
local HEALTHY_MS = 60000

---@alias hearth.Phase
---| "off"        Not started yet, or stopped by the user.
---| "missing"    The command is not executable.
---| "starting"
---| "running"
---| "waiting"    It died; a new start is due.
---| "failed"     It died too often.

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
local connection = {
  phase = "off",
  started_at = 0,
  deaths = 0,
  detail = "not started yet",
  stopping = false,
  again = false,
}

---@type table<string|integer, fun(value: any)> Receivers of partial results by token.
local receivers = {}
local next_token = 0

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

---@return vim.lsp.ClientConfig
local function client_config(root)
  local settings = config.current
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  -- Neovim 0.11 draws no inline completion of its own, so it does not announce any.
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
  return {
    name = "hearth",
    cmd = function(dispatchers)
      return M._spawn(dispatchers)
    end,
    capabilities = capabilities,
    workspace_folders = root and { { uri = vim.uri_from_fname(root), name = root } } or nil,
    init_options = {
      hearth = {
        data = settings.data or nil,
        config = settings.config_file or nil,
        autoIndex = settings.auto_index,
      },
    },
    exit_timeout = 1000,
    handlers = {
      ["$/progress"] = function(err, params, context)
        local receiver = receivers[params.token]
        if receiver then
          receiver(params.value)
        else
          vim.lsp.handlers["$/progress"](err, params, context)
        end
      end,
      ["hearth/status"] = function(_, params)
        connection.status = params
        enter(connection.phase, connection.detail)
      end,
    },
    commands = {
      ["hearth.explain"] = function(command)
        require("hearth.explain").run(command.arguments[1])
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

--- Start the process. Its real exit code is kept from vim.lsp, which would add a message of its own for each death.
---@param dispatchers vim.lsp.rpc.Dispatchers
---@return vim.lsp.rpc.PublicClient
function M._spawn(dispatchers)
  local settings = config.current
  local report = dispatchers.on_exit
  local wrapped = vim.tbl_extend("force", {}, dispatchers)
  wrapped.on_exit = function(code, signal)
    report(0, 0)
    vim.schedule(function()
      M._on_exit(code, signal)
    end)
  end
  return vim.lsp.rpc.start(settings.cmd, wrapped, { env = settings.cmd_env })
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

--- Start the server unless it runs. False when that is not possible now.
---@param root? string
---@return boolean
local function start(root)
  if M.get() then
    return true
  elseif connection.phase == "waiting" or connection.phase == "failed" then
    return false
  end
  local program = config.current.cmd[1]
  if vim.fn.executable(program) == 0 then
    if connection.phase ~= "missing" then
      enter("missing", ("%s is not executable"):format(program))
      errors.notify("not_executable", program)
    end
    return false
  end
  connection.stopping = false
  connection.started_at = uv.now()
  enter("starting")
  local started, result =
    pcall(vim.lsp.start, client_config(root), { attach = false, silent = true })
  if not started or not result then
    enter("failed", tostring(result))
    errors.notify("start_failed", tostring(result))
    return false
  end
  connection.client_id = result
  return true
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
    errors.notify("not_executable", config.current.cmd[1])
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
  receivers = {}
  waiting = {}
  require("hearth.session").close("server")
  if vim.v.exiting ~= vim.NIL then
    return
  end
  if connection.stopping then
    connection.stopping = false
    enter("off", "stopped")
    start_again()
    return
  end
  local why = signal ~= 0 and ("signal %d"):format(signal) or ("exit code %d"):format(code)
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

---@class (exact) hearth.Request
---@field id? integer
---@field client_id integer
---@field token string
---@field done boolean
---@field settle fun(err: lsp.ResponseError?, result: any)

---@type table<integer, hearth.Request> Requests without an answer, by id.
local open = {}

--- Send a request whose result may come in parts. `finish` is called exactly once, unless the request is cancelled here.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param bufnr integer
---@param receive fun(value: any)
---@param finish fun(err: lsp.ResponseError?, result: any)
---@return hearth.Request?
function M.stream(client, method, params, bufnr, receive, finish)
  next_token = next_token + 1
  local token = ("hearth-%d"):format(next_token)
  params.partialResultToken = token
  ---@type hearth.Request
  local request
  request = {
    client_id = client.id,
    token = token,
    done = false,
    settle = function(err, result)
      if not request.done then
        request.done = true
        receivers[token] = nil
        finish(err, result)
      end
    end,
  }
  receivers[token] = receive
  local sent, id = client:request(method, params, request.settle, bufnr)
  if not sent or not id then
    receivers[token] = nil
    return nil
  end
  request.id = id
  -- vim.lsp calls no handler for an answer of RequestCancelled; the end of the request is all there is to see.
  open[id] = request
  return request
end

--- Tell the server to stop, and hear no more of the request.
---@param request hearth.Request
function M.cancel(request)
  if request.done then
    return
  end
  request.done = true
  receivers[request.token] = nil
  local client = vim.lsp.get_client_by_id(request.client_id)
  if client and request.id then
    open[request.id] = nil
    client:cancel_request(request.id)
  end
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

---@param group integer
function M.setup(group)
  vim.api.nvim_create_autocmd("LspRequest", {
    group = group,
    callback = function(event)
      local request = open[event.data.request_id]
      if
        not request
        or event.data.client_id ~= request.client_id
        or event.data.request.type ~= "complete"
      then
        return
      end
      open[event.data.request_id] = nil
      -- The handler of a real answer runs before this and settles the request.
      vim.defer_fn(function()
        request.settle({
          code = vim.lsp.protocol.ErrorCodes.RequestCancelled,
          message = "cancelled",
        })
      end, 20)
    end,
  })
end

return M
