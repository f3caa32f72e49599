--- The plugin with the real language server, alone or behind the team's, on a repository that is indexed already.
local real = require("real")

case(
  "a suggestion from the index is hidden, comes back, is typed along, taken by word and by line, and saved",
  function(t)
    local child = real.start(t)
    real.edit(child, "shop/audit.py")
    child:type("Gototal = ")
    local ghost = real.wait_settled_ghost(t, child, "^cart.")
    child:type("<C-]>")
    child:wait_no_ghost()
    child:type("<BS> ")
    t.equal(real.wait_settled_ghost(t, child, "^cart."), ghost, "what was hidden")
    child:type("<C-Right>")
    t.wait("the word was not taken", function()
      return child:text():find("\n        total = cart\n", 1, true)
    end)
    t.equal(child:ghost(), ghost:sub(5), "what is left")
    local line = ghost:match("^[^\n]*")
    child:type(".")
    t.equal(child:ghost(), ghost:sub(6), "what is left when it is typed")
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
    t.equal(child:messages(), {}, "the messages")
  end
)

case("line ends of a file from Windows survive the real server", function(t)
  local child = real.start(t)
  real.edit(child, "shop/windows.py")
  t.equal(child:lua("return vim.bo.fileformat"), "dos", "'fileformat'")
  child:type("Gototal = ")
  local ghost = real.wait_settled_ghost(t, child, "^cart")
  child:type("<Tab><Esc>")
  local wanted = "\r\n        total = " .. ghost:gsub("\n", "\r\n")
  t.wait("the suggestion was not taken", function()
    return child:text():find(wanted, 1, true)
  end)
  t.check(not child:text():gsub("\r\n", ""):find("[\r\n]"), vim.inspect(child:text()))
end)

case("the reason, the search and the status come from the real server", function(t)
  local child = real.start(t)
  real.edit(child, "shop/audit.py")
  child:type("Gototal = ")
  real.wait_settled_ghost(t, child, "^cart")
  child:type("<Esc>")
  child:wait_no_ghost()
  child:lua([[vim.cmd("HearthWhy")]])
  t.wait("no reason is shown", function()
    return child:call("buf_get_name", 0) == "hearth://why"
  end)
  for _, part in ipairs({ "Engine: `embedded`", "Found at: `", "Sure to: ", "- total: " }) do
    t.check(child:text():find(part, 1, true), child:text())
  end
  child:type("q")
  child:lua([[vim.cmd("HearthSearch! convert to euro")]])
  t.wait(function()
    return "the list is empty: " .. vim.inspect(child:messages())
  end, function()
    return child:lua("return #vim.fn.getqflist()") > 0
  end)
  child:call("command", "cfirst")
  t.check(
    vim.startswith(child:call("buf_get_name", 0), real.repository .. "/shop/"),
    child:call("buf_get_name", 0)
  )
  local lines = child:lua([[return require("hearth.status").lines()]])
  t.check(table.concat(lines, "\n"):find("engine: embedded", 1, true), table.concat(lines, "\n"))
  t.check(table.concat(lines, "\n"):find("index: ready", 1, true), table.concat(lines, "\n"))
end)

case("an explanation streams and its first citation opens the right line", function(t)
  local child = real.start(t)
  real.edit(child, "shop/cart.py")
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
  end, real.SLOW_MS)
  t.check(child:text():find("total_in_euro", 1, true), child:text())
  t.check(child:lua("return #_G.sizes") >= 2, "it came in one part")
  local first = child:text():match("\n%- %[1%] `[^`]*` (%S+)")
  local path, line = first:match("^(.-):(%d+)")
  child:lua([[vim.fn.search("^- \\[1\\] ")]])
  child:type("<CR>")
  t.wait("the file is not shown", function()
    return child:call("buf_get_name", 0) == real.repository .. "/" .. path
  end)
  t.equal(child:cursor()[1], tonumber(line), "the line")
end)

case("the server is killed, and suggestions come back", function(t)
  local child = real.start(t)
  real.edit(child, "shop/audit.py")
  real.kill_server(child)
  local down = real.is_team and "Hearth reconnecting" or "Hearth down"
  t.wait("the statusline does not say so", function()
    return vim.startswith(real.statusline(child), down)
  end)
  t.wait(function()
    return real.statusline(child)
  end, function()
    return real.statusline(child) == "Hearth embedded"
  end, real.SLOW_MS)
  child:wait_attached(real.SLOW_MS)
  child:type("Gototal = ")
  real.wait_settled_ghost(t, child, "^cart")
  -- `hearth connect` says once that the server cannot be reached.
  t.check(#child:messages() <= (real.is_team and 1 or 0), vim.inspect(child:messages()))
end)

case("Neovim's own inline completion works without the plugin", function(t)
  if not vim.lsp.inline_completion then
    return
  end
  local child = real.start(t, false)
  child:lua(
    [[
      vim.lsp.log.set_level("DEBUG")
      vim.lsp.config("hearth", { cmd = ..., root_markers = { ".git" } })
      vim.lsp.enable("hearth")
      vim.lsp.inline_completion.enable()
      vim.keymap.set("i", "<Tab>", function()
        if not vim.lsp.inline_completion.get() then return "<Tab>" end
      end, { expr = true })
    ]],
    real.command
  )
  child:call("command", "filetype on")
  child:call("command", "edit " .. real.repository .. "/shop/audit.py")
  t.wait("the server did not start", function()
    return child:lua([[
      -- The built-in completion listens from when the server is attached.
      return #vim.lsp.get_clients({ bufnr = 0, name = "hearth" }) == 1
        and #vim.api.nvim_get_autocmds({ buffer = 0, event = "CursorMovedI" }) > 0
    ]])
  end, real.SLOW_MS)
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
    return ("shown: %s\n%s"):format(shown(), real.traffic(child))
  end, function()
    return shown() and shown():find("^cart")
  end, real.SLOW_MS)
  local line = shown()
  child:type("<Tab>")
  t.wait(function()
    return child:text()
  end, function()
    return child:text():find("\n        total = " .. line, 1, true)
  end)
end)

case("a file of a repository that is not at hand is read from the index", function(t)
  local child = real.start(t)
  real.edit(child, "shop/audit.py")
  child:lua([[vim.cmd("HearthSearch! remind a customer of a bill that is overdue")]])
  local entry = t.wait(function()
    return vim.inspect(child:lua("return vim.fn.getqflist()"))
  end, function()
    return child:lua([[
      for index, each in ipairs(vim.fn.getqflist()) do
        if vim.api.nvim_buf_get_name(each.bufnr):find("^hearth://billing@") then
          return { index = index, line = each.lnum }
        end
      end
      return false
    ]])
  end, real.SLOW_MS)
  child:call("command", entry.index .. "cc")
  t.check(child:text():find("def dunning_letter(customer: str)", 1, true), child:text())
  t.equal(child:cursor()[1], entry.line, "the line")
  t.equal(
    child:lua("return { vim.bo.modifiable, vim.bo.buftype, vim.bo.filetype }"),
    { false, "nofile", "python" },
    "the options"
  )
  t.equal(child:messages(), {}, "the messages")
  child:call("command", "edit hearth://billing@0123456789ab/billing/gone.py")
  t.equal(
    child:messages(),
    { "Hearth: the index has no billing/gone.py of billing, or none that you may read." },
    "the messages"
  )
end)

case("tabs, joined emoji, right-to-left letters and a last line without an end", function(t)
  local child = real.start(t)
  real.edit(child, "shop/odd.py")
  local before = child:text()
  t.check(not vim.endswith(before, "\n"), "the file ends with a line end")
  child:lua("vim.bo.indentexpr = ''; vim.bo.autoindent = true; vim.bo.expandtab = false")
  child:type('Go\tlabel = "👩‍👩‍👧 é שלום: " + ')
  local ghost = real.wait_settled_ghost(t, child, "^cart")
  t.check(not ghost:find("\n", 1, true), ghost)
  child:type("<C-Right><Tab>")
  child:wait_text(before .. '\n\t\tlabel = "👩‍👩‍👧 é שלום: " + ' .. ghost)
  child:type("<Esc>")
  child:wait_no_ghost()
  child:type("uuu")
  child:wait_text(before)
end)
