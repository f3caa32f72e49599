--- What only the team's server has: tokens, certificates, connections that are lost.
local real = require("real")

local function setup(child, changed)
  local server = vim.tbl_extend("force", real.settings.server, changed)
  child:lua("require('hearth').setup(...)", { server = server })
end

local function open(child, name)
  child:call("command", ("edit %s/shop/%s"):format(real.repository, name))
end

---@return string
local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

---@return string[]
local function wait_message(t, child)
  t.wait(function()
    return table.concat(child:lua([[return require("hearth.status").lines()]]), "\n")
  end, function()
    return #child:messages() > 0
  end, real.SLOW_MS)
  return child:messages()
end

local function health(child)
  child:call("command", "checkhealth hearth")
  local report = child:text()
  child:call("command", "bwipeout")
  return report
end

case("a wrong token is told with one message, and a right one lets in by itself", function(t)
  local child = real.start(t, false)
  local token = child:write("token", "hearth_mistyped\n")
  setup(child, { token_file = token })
  open(child, "audit.py")
  local said = wait_message(t, child)[1]
  t.check(said:find("not a whole token", 1, true), said)
  t.check(said:find("hearth sign-in", 1, true), said)
  t.equal(real.statusline(child), "Hearth connecting", "the statusline")
  open(child, "money.py")
  child:type("ox<Esc>")
  child:write("token", read(real.settings.server.token_file))
  child:wait_attached(real.SLOW_MS)
  t.equal(#child:messages(), 1, vim.inspect(child:messages()))
  local report = health(child)
  t.check(report:find("the server is the team's, at https://127.0.0.1:", 1, true), report)
  t.check(report:find("the token is read from ", 1, true), report)
  t.check(not report:find("ERROR", 1, true), report)
end)

case("a token command's own words are shown when it fails, and it is asked anew", function(t)
  local child = real.start(t, false)
  local token = child.dir .. "/project/token"
  local words = { "sh", "-c", 'cat "$0" || { echo locked >&2; exit 3; }', token }
  setup(child, { token_file = false, token_command = words })
  open(child, "audit.py")
  local said = wait_message(t, child)[1]
  t.check(vim.startswith(said, "Hearth: there is no token: sh: "), said)
  t.check(said:find("locked", 1, true), said)
  t.equal(real.statusline(child), "Hearth down", "the statusline")
  child:write("token", read(real.settings.server.token_file))
  child:call("command", "HearthRestart")
  child:wait_attached(real.SLOW_MS)
  t.equal(#child:messages(), 1, "the number of messages")
  t.check(health(child):find("the token is printed by `sh`", 1, true), "health")
end)

case("a token may be in the environment", function(t)
  local child = real.start(t, false)
  child:lua("vim.env.COMPANY_TOKEN = ...", vim.trim(read(real.settings.server.token_file)))
  setup(child, { token_file = false, token_env = "COMPANY_TOKEN" })
  open(child, "audit.py")
  child:wait_attached(real.SLOW_MS)
  t.equal(child:messages(), {}, "the messages")
end)

case("a certificate that nobody vouches for is refused, and the setting is named", function(t)
  local child = real.start(t, false)
  setup(child, { ca_file = false })
  open(child, "audit.py")
  local said = wait_message(t, child)[1]
  t.check(said:find("is not trusted", 1, true), said)
  t.check(said:find("--ca", 1, true), said)
  t.equal(real.statusline(child), "Hearth refused", "the statusline")
  t.equal(#child:messages(), 1, "the number of messages")
end)

case("a server that is not there yet is waited for, with one message", function(t)
  local child = real.start(t, false)
  setup(child, { url = "https://127.0.0.1:1" })
  open(child, "audit.py")
  local said = wait_message(t, child)[1]
  t.check(said:find("https://127.0.0.1:1 cannot be reached", 1, true), said)
  t.equal(real.statusline(child), "Hearth connecting", "the statusline")
  -- The way there is put right while it is tried.
  setup(child, {})
  child:call("command", "HearthRestart")
  child:wait_attached(real.SLOW_MS)
  t.equal(#child:messages(), 1, "the number of messages")
end)
