--- The plugin with the real language server, on a repository that is indexed already.
local repository = vim.env.HEARTH_TEST_REPOSITORY
local command = vim.json.decode(vim.env.HEARTH_TEST_COMMAND or "[]")

local SLOW_MS = 60000

local function start(t, options)
  return t.start(vim.tbl_deep_extend("force", {
    server = command,
    settings = {
      data = vim.env.HEARTH_TEST_DATA,
      config_file = vim.env.HEARTH_TEST_CONFIG,
      auto_index = false,
    },
  }, options or {}))
end

local function edit(child, name)
  child:call("command", "edit " .. repository .. "/" .. name)
  child:wait_attached(SLOW_MS)
end

--- Wait for ghost text that satisfies a condition; the first such text.
local function wait_ghost_like(t, child, pattern)
  return t.wait(function()
    return ("ghost text is %s\n%s\n%s"):format(
      vim.inspect(child:ghost()),
      child:text(),
      table.concat(child:lua([[return require("hearth.status").lines()]]), "\n")
    )
  end, function()
    local ghost = child:ghost()
    return ghost and ghost:find(pattern) and ghost
  end, SLOW_MS)
end

local function wait_settled_ghost(t, child, pattern)
  local last = wait_ghost_like(t, child, pattern)
  t.wait(function()
    return ("the suggestion does not come to an end: %s\n%s"):format(
      vim.inspect(last),
      child:lua("return vim.fn.execute('messages')")
    )
  end, function()
    local before = last
    last = child:ghost()
    return last == before and child:lua([[return require("hearth.session").is_complete()]])
  end, SLOW_MS)
  return last
end

--- What went between Neovim and the server, cut short; for the message of a failure.
local function traffic(child)
  local lines = {}
  for line in io.lines(child.dir .. "/state/nvim/lsp.log") do
    if line:find('"rpc.', 1, true) then
      table.insert(lines, line:match('"rpc%..*'):sub(1, 300))
    end
  end
  return table.concat(lines, "\n")
end

case("a suggestion from the index is taken by word, by line and as a whole, and saved", function(t)
  local child = start(t)
  edit(child, "shop/audit.py")
  child:type("Gototal = ")
  local ghost = wait_settled_ghost(t, child, "^cart.")
  child:type("<C-Right>")
  t.wait("the word was not taken", function()
    return child:text():find("\n        total = cart\n", 1, true)
  end)
  t.equal(child:ghost(), ghost:sub(5), "what is left")
  local line = ghost:match("^[^\n]*")
  child:type("<C-l>")
  t.wait("the line was not taken", function()
    return child:text():find("\n        total = " .. line .. "\n", 1, true)
  end)
  child:type("<Esc>")
  local path = child.dir .. "/saved.py"
  child:call("command", "silent write " .. path)
  local file = assert(io.open(path, "rb"))
  local saved = file:read("*a")
  file:close()
  t.equal(saved, child:text(), "the file")
  t.check(saved:find("\n        total = " .. line .. "\n", 1, true), saved)
  t.equal(child:messages(), {}, "the messages")
end)

case("line ends of a file from Windows survive the real server", function(t)
  local child = start(t)
  edit(child, "shop/windows.py")
  t.equal(child:lua("return vim.bo.fileformat"), "dos", "'fileformat'")
  child:type("Gototal = ")
  local ghost = wait_settled_ghost(t, child, "^cart")
  child:type("<Tab><Esc>")
  local wanted = "\r\n        total = " .. ghost:gsub("\n", "\r\n")
  t.wait("the suggestion was not taken", function()
    return child:text():find(wanted, 1, true)
  end)
  t.check(not child:text():gsub("\r\n", ""):find("[\r\n]"), vim.inspect(child:text()))
end)

case("the reason, the search and the status come from the real server", function(t)
  local child = start(t)
  edit(child, "shop/audit.py")
  child:type("Gototal = ")
  wait_settled_ghost(t, child, "^cart")
  child:type("<Esc>")
  child:wait_no_ghost()
  child:lua([[vim.cmd("HearthWhy")]])
  t.wait("no reason is shown", function()
    return child:call("buf_get_name", 0) == "hearth://why"
  end)
  t.check(child:text():find("Engine: `embedded`", 1, true), child:text())
  child:type("q")
  child:lua([[vim.cmd("HearthSearch! convert to euro")]])
  t.wait(function()
    return "the list is empty: " .. vim.inspect(child:messages())
  end, function()
    return child:lua("return #vim.fn.getqflist()") > 0
  end)
  child:call("command", "cfirst")
  t.check(
    vim.startswith(child:call("buf_get_name", 0), repository .. "/shop/"),
    child:call("buf_get_name", 0)
  )
  local lines = child:lua([[return require("hearth.status").lines()]])
  t.check(table.concat(lines, "\n"):find("engine: embedded", 1, true), table.concat(lines, "\n"))
  t.check(table.concat(lines, "\n"):find("index: ready", 1, true), table.concat(lines, "\n"))
end)

case("an explanation streams and its first citation opens the right line", function(t)
  local child = start(t)
  edit(child, "shop/cart.py")
  child:lua([[
    _G.sizes = {}
    local panel = require("hearth.panel")
    local append = panel.append
    panel.append = function(bufnr, text) table.insert(_G.sizes, #text); append(bufnr, text) end
    vim.fn.search("def total_in_euro")
    vim.cmd("normal! w")
    vim.cmd("HearthExplain")
  ]])
  t.wait(function()
    return child:text()
  end, function()
    return child:text():find("\n- [1] ", 1, true)
  end, SLOW_MS)
  t.check(child:text():find("total_in_euro", 1, true), child:text())
  t.check(child:lua("return #_G.sizes") >= 2, "it came in one part")
  local first = child:text():match("\n%- %[1%] `[^`]*` (%S+)")
  local path, line = first:match("^(.-):(%d+)")
  child:lua([[vim.fn.search("^- \\[1\\] ")]])
  child:type("<CR>")
  t.wait("the file is not shown", function()
    return child:call("buf_get_name", 0) == repository .. "/" .. path
  end)
  t.equal(child:cursor()[1], tonumber(line), "the line")
end)

case("the server is killed, and suggestions come back", function(t)
  local child = start(t)
  edit(child, "shop/audit.py")
  child:lua([[
    local children = vim.api.nvim_get_proc_children(vim.uv.os_getpid())
    for _, pid in ipairs(children) do vim.uv.kill(pid, "sigkill") end
  ]])
  t.wait("the statusline does not say so", function()
    return child:lua([[return require("hearth").statusline()]]):find("Hearth down", 1, true)
  end)
  child:wait_attached(SLOW_MS)
  child:type("Gototal = ")
  wait_settled_ghost(t, child, "^cart")
  t.equal(child:messages(), {}, "the messages")
end)

case("Neovim's own inline completion works without the plugin", function(t)
  if not vim.lsp.inline_completion then
    return
  end
  local child = start(t, { settings = false })
  child:lua(
    [[
      local command, data, configuration = ...
      vim.lsp.log.set_level("DEBUG")
      vim.lsp.config("hearth", {
        cmd = vim.list_extend(command, { "--data", data }),
        root_markers = { ".git" },
        init_options = { hearth = { autoIndex = false, config = configuration } },
      })
      vim.lsp.enable("hearth")
      vim.lsp.inline_completion.enable()
      vim.keymap.set("i", "<Tab>", function()
        if not vim.lsp.inline_completion.get() then return "<Tab>" end
      end, { expr = true })
    ]],
    vim.deepcopy(command),
    vim.env.HEARTH_TEST_DATA,
    vim.env.HEARTH_TEST_CONFIG
  )
  child:call("command", "filetype on")
  child:call("command", "edit " .. repository .. "/shop/audit.py")
  t.wait("the server did not start", function()
    return child:lua([[
      -- The built-in completion listens from when the server is attached.
      return #vim.lsp.get_clients({ bufnr = 0, name = "hearth" }) == 1
        and #vim.api.nvim_get_autocmds({ buffer = 0, event = "CursorMovedI" }) > 0
    ]])
  end, SLOW_MS)
  child:type("Gototal = ")
  local function shown()
    return child:lua([[
      local namespaces = vim.tbl_filter(function(name) return name:find("inline_completion", 1, true) end,
        vim.tbl_keys(vim.api.nvim_get_namespaces()))
      for _, name in ipairs(namespaces) do
        local id = vim.api.nvim_get_namespaces()[name]
        for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, id, 0, -1, { details = true })) do
          return mark[4].virt_text and mark[4].virt_text[1][1]
        end
      end
      return false
    ]])
  end
  t.wait(function()
    return ("shown: %s\n%s"):format(shown(), traffic(child))
  end, function()
    return shown() and shown():find("^cart")
  end, SLOW_MS)
  local line = shown()
  child:type("<Tab>")
  t.wait(function()
    return child:text()
  end, function()
    return child:text():find("\n        total = " .. line, 1, true)
  end)
end)
