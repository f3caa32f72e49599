--- A Neovim of its own for each test, driven over its RPC channel the way a user drives it: by keys.
local M = {}

local TIMEOUT_MS = 60000
local POLL_MS = 5

local here = vim.fs.dirname(vim.fs.abspath(debug.getinfo(1, "S").source:sub(2)))
local root = vim.fs.normalize(here .. "/../../..")

---@class Child
---@field channel integer
---@field dir string Scratch directory of the test.
---@field log string What the scripted server was sent.
local Child = {}
Child.__index = Child

--- Wait for a condition; fail with what `describe` says when it does not come.
---@generic T
---@param describe string|fun(): string
---@param condition fun(): T?
---@return T
function M.wait(describe, condition, timeout)
  local value
  local good = vim.wait(timeout or TIMEOUT_MS, function()
    value = condition()
    return value ~= nil and value ~= false
  end, POLL_MS)
  if not good then
    error(type(describe) == "function" and describe() or describe, 2)
  end
  return value
end

local serial = 0

--- Start Neovim. `settings` go to setup(); with `settings = false` the plugin is not set up.
---@param options? {settings?: table|false, encoding?: string, before?: string, args?: string[], server?: string[]}
---@return Child
function M.start(options)
  options = options or {}
  serial = serial + 1
  local dir = ("%s/child-%d"):format(assert(vim.env.HEARTH_TEST_DIR), serial)
  vim.fn.mkdir(dir .. "/project/.git", "p")
  local command = { vim.v.progpath, "--clean", "-n", "--embed", "--headless" }
  vim.list_extend(command, { "--cmd", "set runtimepath^=" .. root .. "/editors/neovim" })
  -- Looking for a Python for Vim's sake takes seconds on a busy machine.
  vim.list_extend(command, { "--cmd", "let g:loaded_python3_provider = 0" })
  vim.list_extend(command, options.args or {})
  local child = setmetatable({ dir = dir, log = dir .. "/server.log" }, Child)
  child.channel = vim.fn.jobstart(command, {
    rpc = true,
    cwd = dir .. "/project",
    env = {
      XDG_CONFIG_HOME = dir .. "/config",
      XDG_DATA_HOME = dir .. "/data",
      XDG_STATE_HOME = dir .. "/state",
      XDG_CACHE_HOME = dir .. "/cache",
    },
  })
  assert(child.channel > 0, "Neovim did not start")
  child:lua([[
    _G.messages = {}
    vim.notify = function(text, level) table.insert(_G.messages, { text = text, level = level }) end
    vim.o.swapfile = false
  ]])
  if options.before then
    child:lua(options.before)
  end
  if options.settings ~= false then
    local settings = vim.tbl_extend("force", {
      cmd = options.server
        or { vim.env.HEARTH_TEST_PYTHON, here .. "/scripted_server.py", child.log, options.encoding },
    }, options.settings or {})
    child:lua("require('hearth').setup(...)", settings)
  end
  return child
end

--- Run Lua in the child.
---@param code string
---@param ... any
---@return any
function Child:lua(code, ...)
  return vim.rpcrequest(self.channel, "nvim_exec_lua", code, { ... })
end

---@param name string
---@param ... any
---@return any
function Child:call(name, ...)
  return vim.rpcrequest(self.channel, "nvim_" .. name, ...)
end

--- Write a file into the work directory and open it.
---@param name string
---@param text string
---@return string path
function Child:open(name, text)
  local path = self:write(name, text)
  self:call("command", "edit " .. vim.fn.fnameescape(path))
  return path
end

---@param name string
---@param text string
---@return string path
function Child:write(name, text)
  local path = ("%s/project/%s"):format(self.dir, name)
  vim.fn.mkdir(vim.fs.dirname(path), "p")
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- Open a file and wait until the server knows it.
---@param name string
---@param text string
---@return string path
function Child:edit(name, text)
  local path = self:open(name, text)
  self:wait_attached()
  return path
end

function Child:wait_attached(timeout)
  M.wait(function()
    return "the buffer was not attached: " .. vim.inspect(self:lua("return _G.messages"))
  end, function()
    return self:lua([[
      return require("hearth.client").for_buffer(vim.api.nvim_get_current_buf()) ~= nil
    ]])
  end, timeout)
end

--- Press keys as a user does.
---@param keys string In the notation of mappings.
function Child:type(keys)
  local written = 0
  while written < #keys do
    written = written + self:call("input", keys:sub(written + 1))
  end
end

--- What the server was sent, oldest first.
---@param method? string
---@return table[]
function Child:sent(method)
  local found = {}
  local file = io.open(self.log, "r")
  if not file then
    return found
  end
  for line in file:lines() do
    local good, message = pcall(vim.json.decode, line, { luanil = { object = true } })
    if good and (not method or message.method == method) then
      table.insert(found, message)
    end
  end
  file:close()
  return found
end

--- Wait for the n-th message of a method.
---@param method string
---@param n? integer
---@return table
function Child:wait_sent(method, n)
  return M.wait(function()
    local all = {}
    for _, message in ipairs(self:sent()) do
      table.insert(all, message.method or "(answer)")
    end
    return ("no %s number %d; there were %s"):format(method, n or 1, table.concat(all, ", "))
  end, function()
    return self:sent(method)[n or 1]
  end)
end

--- Wait for the n-th request for a completion.
---@param n? integer
---@return table
function Child:wait_request(n)
  return self:wait_sent("textDocument/inlineCompletion", n)
end

--- Make the scripted server send a message.
---@param message table
function Child:send(message)
  self:lua([[require("hearth.client").get():notify("test/send", ...)]], message)
end

--- Items for the place of a request.
---@param request table
---@param texts string|string[]
---@param range? table
---@return table
function Child.items(request, texts, range)
  local place = request.params.position
  local items = {}
  for index, text in ipairs(type(texts) == "table" and texts or { texts }) do
    table.insert(items, {
      insertText = text,
      range = range or { start = place, ["end"] = place },
      command = {
        title = "Accepted",
        command = "hearth.accepted",
        arguments = { ("s%d-%d"):format(request.id, index) },
      },
    })
  end
  return { items = items }
end

--- Answer a request in part.
---@param request table
---@param texts string|string[]
---@param range? table
function Child:part(request, texts, range)
  local value = self.items(request, texts, range)
  self:send({
    method = "$/progress",
    params = { token = request.params.partialResultToken, value = value },
  })
end

--- Answer a request.
---@param request table
---@param texts string|string[]
---@param range? table
function Child:answer(request, texts, range)
  self:send({ id = request.id, result = self.items(request, texts, range) })
end

--- Answer a request with an error.
---@param request table
---@param code integer
function Child:refuse(request, code)
  self:send({ id = request.id, error = { code = code, message = "refused" } })
end

--- The ghost text on screen: lines joined by "\n", pieces within a line by "|"; nil when there is none.
---@return string?
function Child:ghost()
  local text = self:lua([[
    local namespace = vim.api.nvim_get_namespaces()["hearth.ghost"]
    if not namespace then return "" end
    local pieces = {}
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
      local details = mark[4]
      local function only_ghost(chunks)
        local out = ""
        for _, chunk in ipairs(chunks) do
          if chunk[2] == "HearthGhost" then out = out .. chunk[1] end
        end
        return out
      end
      local lines = { only_ghost(details.virt_text) }
      for _, chunks in ipairs(details.virt_lines or {}) do table.insert(lines, only_ghost(chunks)) end
      table.insert(pieces, table.concat(lines, "\n"))
    end
    return table.concat(pieces, "|")
  ]])
  return text ~= "" and text or nil
end

---@param wanted string
function Child:wait_ghost(wanted)
  M.wait(function()
    return ("ghost text is %s, not %s"):format(vim.inspect(self:ghost()), vim.inspect(wanted))
  end, function()
    return self:ghost() == wanted
  end)
end

function Child:wait_no_ghost()
  M.wait(function()
    return "ghost text stays: " .. vim.inspect(self:ghost())
  end, function()
    return self:ghost() == nil
  end)
end

--- The buffer's text as it would be written to the file.
---@return string
function Child:text()
  return self:lua([[
    local ending = ({ dos = "\r\n", unix = "\n", mac = "\r" })[vim.bo.fileformat]
    local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), ending)
    return text .. (vim.bo.endofline and ending or "")
  ]])
end

---@param wanted string
function Child:wait_text(wanted)
  M.wait(function()
    return ("the text is %s, not %s"):format(vim.inspect(self:text()), vim.inspect(wanted))
  end, function()
    return self:text() == wanted
  end)
end

--- Lines and cursor of the current window: row from 1, column in bytes from 0.
---@return integer[]
function Child:cursor()
  return self:call("win_get_cursor", 0)
end

--- Wait until all that was typed and sent has been worked on: a round trip through the server comes last.
function Child:settle()
  local marker = ("settled-%d"):format(vim.uv.hrtime())
  M.wait("keys are still being worked on", function()
    return not self:call("get_mode").blocking
  end)
  self:lua(
    [[
      local marker = ...
      require("hearth.client").get().handlers[marker] = function()
        _G.settled = marker
      end
    ]],
    marker
  )
  self:send({ method = marker, params = {} })
  M.wait("the server does not answer", function()
    return self:lua("return _G.settled") == marker
  end)
end

function Child:messages()
  local texts = {}
  for _, message in ipairs(self:lua("return _G.messages")) do
    table.insert(texts, message.text)
  end
  return texts
end

function Child:stop()
  pcall(vim.rpcnotify, self.channel, "nvim_command", "qall!")
  local done = vim.fn.jobwait({ self.channel }, 60000)[1]
  if done == -1 then
    vim.fn.jobstop(self.channel)
    error("Neovim did not end")
  end
end

M.root = root

return M
