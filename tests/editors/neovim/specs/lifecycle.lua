--- Starting, dying, starting again; which buffers the server may see; settings.

local function status(child)
  return table.concat(child:lua([[return require("hearth.status").lines()]]), "\n")
end

case("the server is told which repository, which options and which files", function(t)
  local child = t.start({ settings = { data = "/tmp/somewhere", auto_index = false } })
  local path = child:edit("src/demo.py", "x = 1\n")
  local initialize = child:wait_sent("initialize").params
  t.equal(
    initialize.workspaceFolders[1].uri,
    vim.uri_from_fname(child.dir .. "/project"),
    "the folder"
  )
  t.equal(
    initialize.initializationOptions,
    { hearth = { data = "/tmp/somewhere", autoIndex = false } },
    "the options"
  )
  t.check(
    initialize.capabilities.textDocument.inlineCompletion,
    "inline completion is not announced"
  )
  local opened = child:wait_sent("textDocument/didOpen").params.textDocument
  t.equal(opened.uri, vim.uri_from_fname(path), "the file")
  t.equal(opened.text, "x = 1\n", "the text")
end)

case("one server serves several repositories", function(t)
  local child = t.start()
  child:edit("demo.py", "x = 1\n")
  vim.fn.mkdir(child.dir .. "/project/other/.git", "p")
  child:edit("other/more.py", "y = 1\n")
  local change = child:wait_sent("workspace/didChangeWorkspaceFolders").params.event
  t.equal(
    change.added[1].uri,
    vim.uri_from_fname(child.dir .. "/project/other"),
    "the folder added"
  )
  t.equal(#child:sent("initialize"), 1, "the number of servers")
end)

case("a server that is not installed is said once, with advice", function(t)
  local child = t.start({ settings = { cmd = { "no-such-hearth" } } })
  child:open("demo.py", "x = 1\n")
  child:open("more.py", "x = 1\n")
  t.wait("no message", function()
    return #child:messages() > 0
  end)
  child:type("ix<Esc>")
  child:wait_text("xx = 1\n")
  t.equal(#child:messages(), 1, "the number of messages")
  t.check(
    child:messages()[1]:find('"no-such-hearth" is not executable', 1, true),
    child:messages()[1]
  )
  t.check(status(child):find("missing", 1, true), status(child))
  t.equal(child:lua([[return require("hearth").statusline()]]), "Hearth down", "the statusline")
end)

case("a server that dies is started again, and suggestions come back", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix")
  child:part(child:wait_request(), "1")
  child:wait_ghost("1")
  child:lua([[require("hearth.client").get():notify("test/die", { code = 3 })]])
  child:wait_no_ghost()
  t.wait(function()
    return status(child)
  end, function()
    return status(child):find("waiting (stopped with exit code 3)", 1, true)
  end)
  t.check(status(child):find("starts again in 1 s", 1, true), status(child))
  t.check(
    child:lua([[return require("hearth").statusline()]]):find("Hearth down", 1, true),
    "the statusline"
  )
  child:wait_sent("initialize", 2)
  child:wait_attached()
  t.check(status(child):find("running", 1, true), status(child))
  -- Nothing more need be typed.
  child:answer(child:wait_request(2), "2")
  child:wait_ghost("2")
  t.equal(child:messages(), {}, "the messages")
end)

case("a server that dies again and again is left alone, with one message", function(t)
  local child = t.start({
    settings = { cmd = { "sh", "-c", "exit 7" } },
    before = [[
      -- The pauses of this test are a hundredth of the real ones.
      local new_timer = vim.uv.new_timer
      vim.uv.new_timer = function()
        local timer = new_timer()
        return setmetatable({}, {
          __index = function(_, key)
            return function(_, first, ...)
              if key == "start" then return timer:start(math.floor(first / 100), ...) end
              return timer[key](timer, first, ...)
            end
          end,
        })
      end
    ]],
  })
  child:open("demo.py", "x = 1\n")
  t.wait(function()
    return status(child)
  end, function()
    return status(child):find("failed (stopped with exit code 7)", 1, true)
  end, 20000)
  t.equal(#child:messages(), 1, "the number of messages")
  t.check(child:messages()[1]:find("stopped 7 times in a row", 1, true), child:messages()[1])
end)

case(
  "a server that does not take its settings is not tried again, and how to see why is said",
  function(t)
    local child = t.start({ settings = { cmd = { "sh", "-c", "exit 2" } } })
    child:open("demo.py", "x = 1\n")
    t.wait(function()
      return status(child)
    end, function()
      return status(child):find("failed (stopped with exit code 2)", 1, true)
    end)
    t.equal(#child:messages(), 1, "the number of messages")
    t.check(child:messages()[1]:find("`sh -c exit 2` in a terminal", 1, true), child:messages()[1])
  end
)

case("with the address of the team's server the bridge to it is started instead", function(t)
  local child = t.start({ settings = false })
  child:lua("require('hearth').setup(...)", {
    data = "/tmp/somewhere",
    server = {
      cmd = {
        vim.env.HEARTH_TEST_PYTHON,
        t.root .. "/tests/editors/neovim/scripted_server.py",
        child.log,
        "utf-16",
      },
      url = "https://hearth.example.invalid",
      token_command = { "printf", "hearth_one\n" },
      ca_file = "~/ca.pem",
    },
  })
  child:edit("demo.py", "x = 1\n")
  t.equal(child:wait_sent("initialize").params.initializationOptions, nil, "the options")
  t.equal(child:wait_sent("test/arguments").params, {
    "https://hearth.example.invalid",
    "--token-env",
    "HEARTH_TOKEN",
    "--ca",
    vim.env.HOME .. "/ca.pem",
  }, "the arguments")
  t.equal(
    child:wait_sent("test/environment").params,
    { HEARTH_TOKEN = "hearth_one" },
    "the variables"
  )
  child:send({
    method = "hearth/status",
    params = {
      engine = { rung = "quiet", detail = "the connection ended", model = "", tokens = "" },
      index = { state = "ready", repositories = {} },
      connected = false,
    },
  })
  t.wait("the statusline does not change", function()
    return child:lua([[return require("hearth").statusline()]]) == "Hearth reconnecting"
  end)
end)

case(":HearthRestart starts the server afresh", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:call("command", "HearthRestart")
  child:wait_sent("initialize", 2)
  child:wait_attached()
  t.equal(#child:sent("shutdown"), 1, "the number of shutdowns")
  t.equal(child:messages(), {}, "the messages")
end)

case(
  "secrets, foreign buffers and switched-off filetypes are never shown to the server",
  function(t)
    local child = t.start({ settings = { filetypes = { yaml = false }, max_file_bytes = 1000 } })
    child:edit("demo.py", "x = 1\n")
    for _, name in ipairs({
      ".env",
      ".env.local",
      "deploy/prod.env",
      "server.PEM",
      "id_rsa",
      ".aws/config.txt",
      "config.yaml",
    }) do
      child:open(name, "SECRET = 1\n")
      child:type("ox<Esc>")
    end
    child:open("large.py", ("x = 1\n"):rep(500))
    child:call("command", "enew | setlocal buftype=nofile")
    child:type("ix<Esc>")
    child:edit("more.py", "y = 1\n")
    child:settle()
    local opened = {}
    for _, message in ipairs(child:sent("textDocument/didOpen")) do
      table.insert(opened, vim.fs.basename(message.params.textDocument.uri))
    end
    t.equal(opened, { "demo.py", "more.py" }, "the files shown to the server")
    child:call("command", "edit .env")
    t.check(
      status(child):find("this buffer: off, because its name is in `secret_files`", 1, true),
      status(child)
    )
  end
)

local function wait_detached(t, child)
  t.wait("the buffer is still attached", function()
    return child:lua([[return require("hearth.client").for_buffer(0) == nil
      and #vim.lsp.get_clients({ bufnr = 0 }) == 0]])
  end)
end

for _, scope in ipairs({ "all", "buffer", "filetype" }) do
  case("Hearth is switched off and on: " .. scope, function(t)
    local child = t.start()
    child:edit("demo.py", "\n")
    for _, word in ipairs(scope == "all" and { "", " all" } or { " " .. scope }) do
      child:call("command", "HearthDisable" .. word)
      wait_detached(t, child)
      child:call("command", "HearthEnable" .. word)
      child:wait_attached()
      child:call("command", "HearthToggle" .. word)
      wait_detached(t, child)
      child:call("command", "HearthToggle" .. word)
      child:wait_attached()
    end
    child:call("command", "HearthDisable " .. scope)
    wait_detached(t, child)
    child:open("more.py", "x = 1\n")
    if scope == "buffer" then
      child:wait_attached()
    else
      child:lua([[vim.wait(50)]])
      wait_detached(t, child)
    end
    child:open("more.js", "x = 1\n")
    if scope == "all" then
      child:lua([[vim.wait(50)]])
      wait_detached(t, child)
      t.equal(child:lua([[return require("hearth").statusline()]]), "Hearth off", "the statusline")
    else
      child:wait_attached()
    end
  end)
end

case("a buffer switched on by hand is served whatever its filetype or name", function(t)
  local child = t.start({ settings = { filetypes = { python = false } } })
  child:open("secrets.py", "x = 1\n")
  child:lua([[vim.wait(50)]])
  wait_detached(t, child)
  child:call("command", "HearthEnable buffer")
  child:wait_attached()
  t.equal(
    child:lua([[return vim.fn.getcompletion("HearthDisable ", "cmdline")]]),
    { "all", "buffer", "filetype" },
    "what is offered"
  )
end)

case("wrong settings are named together and the rest is used", function(t)
  local child = t.start({
    settings = {
      debounce_ms = "fast",
      nonsense = 1,
      keymaps = { acept = "x" },
      max_lines = 7,
      server = { url = "hearth.example.com", token_file = "a", token_command = { "b" } },
    },
  })
  t.equal(#child:messages(), 1, "the number of messages")
  for _, part in ipairs({
    "`debounce_ms` must be",
    "`nonsense` is not a setting",
    "`keymaps.acept` is not a setting",
    "`server.url` must be an address such as https://hearth.example.com",
    "`server.token_file` or `server.token_command`, not both",
  }) do
    t.check(child:messages()[1]:find(part, 1, true), child:messages()[1])
  end
  t.equal(child:lua([[return require("hearth.config").current.max_lines]]), 7, "max_lines")
  t.equal(child:lua([[return require("hearth.config").current.debounce_ms]]), 30, "debounce_ms")
end)

case("setup again takes the place of the setup before", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  local function counts()
    return child:lua([[
      local mapped = vim.tbl_filter(function(each)
        return vim.startswith(each.desc or "", "Hearth")
      end, vim.api.nvim_get_keymap("i"))
      return { #vim.api.nvim_get_autocmds({ group = "hearth" }), #mapped, mapped[1].lhs }
    ]])
  end
  local before = counts()
  child:lua([[
    local cmd = require("hearth.config").current.cmd
    require("hearth").setup({ cmd = cmd, keymaps = { trigger = "<F5>" } })
  ]])
  t.equal(counts(), { before[1], 1, "<F5>" }, "autocommands and keys")
  child:type("ix")
  child:answer(child:wait_request(), "1")
  child:wait_ghost("1")
  t.equal(#child:sent("initialize"), 1, "the number of servers")
end)

case("what the server says names Hearth, once", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  for _, message in ipairs({ "Hearth: one", "/etc/hearth.toml: two" }) do
    child:send({ method = "window/showMessage", params = { type = 1, message = message } })
  end
  t.wait("a message is missing", function()
    return #child:messages() == 2
  end)
  t.equal(child:messages(), { "Hearth: one", "Hearth: /etc/hearth.toml: two" }, "the messages")
end)

case("the statusline and :HearthStatus say what the server says", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  t.equal(child:lua([[return require("hearth").statusline()]]), "Hearth", "the statusline")
  local value = {
    engine = { rung = "embedded", detail = "the model server is down", model = "", tokens = "" },
    index = {
      state = "indexing",
      repositories = {
        {
          name = "demo",
          ref = "main",
          commit = "0123456789abcdef",
          state = "indexing",
          files = 3,
          chunks = 9,
          behind = 2,
        },
      },
    },
  }
  child:lua([[
    _G.events = 0
    vim.api.nvim_create_autocmd("User", { pattern = "HearthStatus", callback = function() _G.events = _G.events + 1 end })
  ]])
  child:send({ method = "hearth/status", params = value })
  t.wait("the statusline does not change", function()
    return child:lua([[return require("hearth").statusline()]]) == "Hearth indexing"
  end)
  t.equal(child:lua("return _G.events"), 1, "the number of events")
  value.index.state = "ready"
  child:send({ method = "hearth/status", params = value })
  t.wait("the statusline does not change", function()
    return child:lua([[return require("hearth").statusline()]]) == "Hearth embedded"
  end)
  child:lua([[vim.cmd("HearthStatus")]])
  child:send({ id = child:wait_sent("hearth/status").id, result = value })
  t.wait("nothing is shown", function()
    local shown = child:text()
    return shown:find("engine: embedded the model server is down", 1, true)
      and shown:find(
        "demo main @0123456789ab: indexing, 3 files, 9 chunks, 2 commits behind",
        1,
        true
      )
  end)
end)

--- What :checkhealth says.
local function health(child)
  child:call("command", "checkhealth hearth")
  local report = child:text()
  child:call("command", "bwipeout")
  return report
end

case(
  ":checkhealth hearth finds the server, and says how the model's tokens are counted",
  function(t)
    local child = t.start()
    child:edit("demo.py", "\n")
    for tokens, words in pairs({
      counted = "tokens are counted with the model's own tokenizer",
      estimated = "tokens are estimated",
    }) do
      child:send({
        method = "hearth/status",
        params = {
          engine = { rung = "vllm", detail = "", model = "qwen", tokens = tokens },
          index = { state = "ready", repositories = {} },
        },
      })
      child:settle()
      local lines = table.concat(child:lua([[return require("hearth.status").lines()]]), "\n")
      t.check(lines:find("\n  " .. words, 1, true), lines)
      local report = health(child)
      t.check(report:find("the server is running", 1, true), report)
      t.check(report:find(words, 1, true), report)
      t.check(not report:find("ERROR", 1, true), report)
      t.check(not report:find("WARNING", 1, true), report)
    end
    child:send({
      method = "hearth/status",
      params = {
        engine = { rung = "quiet", detail = "no room on the disk", model = "", tokens = "" },
        index = { state = "failed", repositories = {} },
      },
    })
    child:settle()
    child:lua(
      "if vim.lsp.is_enabled then vim.lsp.config('hearth', { cmd = { 'true' } }); vim.lsp.enable('hearth') end"
    )
    local report = health(child)
    if child:lua("return vim.lsp.is_enabled ~= nil") then
      t.check(report:find("starts a second server, beside this plugin's", 1, true), report)
    end
    t.check(report:find("WARNING no engine answers: no room on the disk", 1, true), report)
    t.check(report:find("WARNING index: failed", 1, true), report)
  end
)

case(":checkhealth hearth says of a bad installation what is wrong and what to do", function(t)
  local child = t.start({ settings = false })
  for _, each in ipairs({
    { {}, { "WARNING setup() was not called" } },
    { { cmd = { "no-such-hearth" } }, { "ERROR `no-such-hearth` is not executable" } },
    {
      { cmd = { "sh", "-c", "exit 2", "--option" } },
      {
        "ERROR the server is not running: stopped with exit code 2",
        "`sh -c exit 2 --option`",
      },
    },
    {
      {
        server = {
          url = "https://hearth.example.invalid",
          cmd = { "sh", "-c", "exit 2" },
          token_file = "/no/token",
          ca_file = "/no/ca",
        },
      },
      {
        "ERROR the token cannot be read from /no/token",
        "ERROR the company's CA cannot be read from /no/ca",
      },
    },
  }) do
    if next(each[1]) then
      child:lua("require('hearth').setup(...)", each[1])
      child:call("command", "HearthRestart")
      child:open("demo.py", "\n")
      t.wait(function()
        return status(child)
      end, function()
        return status(child):find("server: failed", 1, true)
          or status(child):find("server: missing", 1, true)
      end)
    end
    local report = health(child)
    for _, part in ipairs(each[2]) do
      t.check(report:find(part, 1, true), report)
    end
  end
end)

case("Neovim ends while an answer is open, and the server with it", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix")
  child:wait_request()
  vim.rpcnotify(child.channel, "nvim_command", "qall!")
  t.equal(vim.fn.jobwait({ child.channel }, 60000)[1], 0, "the exit code")
  t.equal(#child:sent("exit"), 1, "the number of exits")
end)
