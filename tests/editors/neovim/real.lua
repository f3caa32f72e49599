--- What the cases with a real server share: a server that the plugin starts itself, or the team's.
local M = {}

M.repository = vim.env.HEARTH_TEST_REPOSITORY
M.command = vim.json.decode(vim.env.HEARTH_TEST_COMMAND or "[]")
M.settings = vim.json.decode(vim.env.HEARTH_TEST_SETTINGS or "{}")
--- Whether the server is the team's, behind TLS.
M.is_team = M.settings.server ~= nil
M.SLOW_MS = 60000

---@param t table
---@param settings? table|false
---@return Child
function M.start(t, settings)
  if settings == false then
    return t.start({ settings = false })
  end
  return t.start({ settings = vim.tbl_deep_extend("force", M.settings, settings or {}) })
end

---@param child Child
---@param name string
function M.edit(child, name)
  child:call("command", ("edit %s/%s"):format(M.repository, name))
  child:wait_attached(M.SLOW_MS)
end

--- Wait for ghost text that is like a pattern; the first such text.
---@return string
function M.wait_ghost_like(t, child, pattern)
  return t.wait(function()
    return ("ghost text is %s\n%s\n%s"):format(
      vim.inspect(child:ghost()),
      child:text(),
      table.concat(child:lua([[return require("hearth.status").lines()]]), "\n")
    )
  end, function()
    local ghost = child:ghost()
    return ghost and ghost:find(pattern) and ghost
  end, M.SLOW_MS)
end

--- Wait until nothing more is to come of it.
---@return string
function M.wait_settled_ghost(t, child, pattern)
  local last = M.wait_ghost_like(t, child, pattern)
  t.wait(function()
    return ("the suggestion does not come to an end: %s\n%s"):format(
      vim.inspect(last),
      child:lua("return vim.fn.execute('messages')")
    )
  end, function()
    -- What came last is drawn a moment later.
    local all = child:lua([[
      local session = require("hearth.session")
      local newest = session.is_complete() and require("hearth.view").of(session.current())
      return newest and newest.rest or false
    ]])
    last = child:ghost()
    return last ~= nil and last == all
  end, M.SLOW_MS)
  return last
end

---@param child Child
---@return string
function M.statusline(child)
  return child:lua([[return require("hearth").statusline()]])
end

--- Kill the server without a word; the team's is started again by whoever runs it.
---@param child Child
function M.kill_server(child)
  if M.is_team then
    local file = assert(io.open(vim.env.HEARTH_TEST_PID))
    vim.uv.kill(assert(tonumber(file:read("*a"))), "sigkill")
    file:close()
  else
    child:lua([[
      local children = vim.api.nvim_get_proc_children(vim.uv.os_getpid())
      for _, pid in ipairs(children) do vim.uv.kill(pid, "sigkill") end
    ]])
  end
end

--- What went between Neovim and the server, cut short; for the message of a failure.
---@param child Child
---@return string
function M.traffic(child)
  local lines = {}
  for line in io.lines(child.dir .. "/state/nvim/lsp.log") do
    if line:find('"rpc.', 1, true) then
      table.insert(lines, line:match('"rpc%..*'):sub(1, 300))
    end
  end
  return table.concat(lines, "\n")
end

return M
