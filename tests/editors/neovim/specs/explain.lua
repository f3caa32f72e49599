--- Explanations, reasons and search.

local function delta(child, request, text)
  child:send({
    method = "$/progress",
    params = {
      token = request.params.partialResultToken,
      value = { kind = "hearth/explanation", delta = text },
    },
  })
end

local function panel(child)
  return child:lua([[
    local bufnr = vim.fn.bufnr("hearth://explanation")
    return table.concat(vim.api.nvim_buf_get_lines(bufnr, 0, -1, false), "\n")
  ]])
end

local function wait_panel(t, child, wanted)
  t.wait(function()
    return ("the panel has %s, not %s"):format(vim.inspect(panel(child)), vim.inspect(wanted))
  end, function()
    return panel(child) == wanted
  end)
end

case("an explanation of lines streams into a Markdown split with citations to jump to", function(t)
  local child = t.start()
  local other = child:write("lib.py", ("line\n"):rep(30))
  local path = child:edit("demo.py", "a = 1\nb = '😀'\nc = 3\n")
  child:call("command", "1,2HearthExplain why so")
  local request = child:wait_sent("workspace/executeCommand")
  t.equal(request.params.command, "hearth.explain", "the command")
  t.equal(request.params.arguments, {
    {
      uri = vim.uri_from_fname(path),
      range = { start = { line = 0, character = 0 }, ["end"] = { line = 1, character = 8 } },
      question = "why so",
    },
  }, "the arguments")
  delta(child, request, "It sets ")
  wait_panel(t, child, "It sets ")
  delta(child, request, "`a` [1]\nand")
  wait_panel(t, child, "It sets `a` [1]\nand")
  t.equal(child:cursor(), { 1, 0 }, "the reader's place")
  delta(child, request, " `b` [2].")
  child:send({
    id = request.id,
    result = {
      markdown = "It sets `a` [1]\nand `b` [2].",
      engine = "embedded",
      citations = {
        {
          number = 1,
          repository = "demo",
          path = "lib.py",
          startLine = 12,
          endLine = 14,
          commit = ("0123456789"):rep(4),
          title = "lib",
          uri = vim.uri_from_fname(other),
        },
        {
          number = 2,
          repository = "far",
          path = "away.py",
          startLine = 3,
          endLine = 3,
          commit = ("f"):rep(40),
          title = "away",
        },
      },
    },
  })
  wait_panel(
    t,
    child,
    "It sets `a` [1]\nand `b` [2].\n\n---\n- [1] `lib` lib.py:12-14 demo@012345678901\n- [2] `away` away.py:3-3 far@ffffffffffff"
  )
  t.equal(child:lua("return vim.bo.filetype"), "markdown", "'filetype'")
  t.check(
    child:lua("return vim.wo.winbar"):find("demo.py:1-2, why so — embedded", 1, true),
    child:lua("return vim.wo.winbar")
  )
  child:type("gg<CR>")
  t.wait("the file is not shown", function()
    return child:call("buf_get_name", 0) == other
  end)
  t.equal(child:cursor(), { 12, 0 }, "the cursor")
  child:type("<C-w>p")
  child:type("Ggf")
  local asked = child:wait_sent("hearth/file")
  t.equal(asked.params, { repository = "far", path = "away.py" }, "what was asked")
  child:send({
    id = asked.id,
    result = { text = "a = 1\r\n\r\nb = 2\r\n", language = "python", commit = ("e"):rep(40) },
  })
  t.wait("the file is not shown", function()
    return child:call("buf_get_name", 0) == "hearth://far@ffffffffffff/away.py"
  end)
  t.wait("the cursor is not at the line", function()
    return child:cursor()[1] == 3
  end)
  t.equal(child:text(), "a = 1\n\nb = 2\n", "the text")
  t.equal(child:messages(), {
    "Hearth: this is away.py as of commit eeeeeeeeeeee; what you followed was of ffffffffffff, and lines may have moved.",
  }, "the messages")
end)

case("the symbol at the cursor is an empty range, and a float will do too", function(t)
  local child = t.start({ settings = { explain = { view = "float" } } })
  child:edit("demo.py", "a = 1\nbcd = 2\n")
  child:type("jll")
  child:lua([[vim.cmd("HearthExplain")]])
  local request = child:wait_sent("workspace/executeCommand")
  local place = { line = 1, character = 2 }
  t.equal(request.params.arguments[1].range, { start = place, ["end"] = place }, "the range")
  t.equal(request.params.arguments[1].question, nil, "the question")
  t.check(child:lua("return vim.api.nvim_win_get_config(0).relative") == "editor", "it is no float")
  -- A server that sends no parts is as good.
  child:send({
    id = request.id,
    result = { markdown = "All\nat once", engine = "vllm", citations = {} },
  })
  wait_panel(t, child, "All\nat once")
end)

case("an explanation is stopped by its key and by closing it", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\n")
  child:lua([[vim.cmd("HearthExplain")]])
  local request = child:wait_sent("workspace/executeCommand")
  delta(child, request, "It ")
  wait_panel(t, child, "It ")
  child:type("<C-c>")
  t.equal(child:wait_sent("$/cancelRequest").params.id, request.id, "the cancelled request")
  delta(child, request, "goes on")
  child:settle()
  t.equal(panel(child), "It ", "the panel")
  t.check(
    child:lua("return vim.wo.winbar"):find("stopped", 1, true),
    child:lua("return vim.wo.winbar")
  )
  child:type("<C-w>p")
  -- However it is closed; a window that is split off keeps it.
  for count, keys in ipairs({ "q", "<C-w>s:q<CR>:q<CR>", "<C-w>p<C-w>o", ":tabnew<CR>:tabonly<CR>" }) do
    child:lua([[vim.cmd("HearthExplain")]])
    local next_one = child:wait_sent("workspace/executeCommand", count + 1)
    child:type(keys)
    t.equal(
      child:wait_sent("$/cancelRequest", count + 1).params.id,
      next_one.id,
      "the cancelled request, with " .. keys
    )
    child:call("command", "silent only | buffer demo.py")
  end
  t.equal(child:messages(), {}, "the messages")
end)

case("a new explanation takes the place of the one that is being written", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\nb = 2\n")
  child:lua([[vim.cmd("1HearthExplain")]])
  local first = child:wait_sent("workspace/executeCommand")
  delta(child, first, "Old")
  wait_panel(t, child, "Old")
  child:type("<C-w>p")
  child:lua([[vim.cmd("2HearthExplain")]])
  t.equal(child:wait_sent("$/cancelRequest").params.id, first.id, "the cancelled request")
  local second = child:wait_sent("workspace/executeCommand", 2)
  delta(child, first, "er")
  delta(child, second, "New")
  wait_panel(t, child, "New")
  t.equal(child:lua("return #vim.api.nvim_list_wins()"), 2, "the number of windows")
end)

case("more is asked about the same code from the explanation", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\nb = 2\n")
  child:lua([[vim.cmd("2HearthExplain")]])
  local first = child:wait_sent("workspace/executeCommand")
  child:send({ id = first.id, result = { markdown = "It is 2.", engine = "vllm", citations = {} } })
  wait_panel(t, child, "It is 2.")
  child:type("awhy two<CR>")
  local second = child:wait_sent("workspace/executeCommand", 2)
  local wanted = vim.deepcopy(first.params.arguments)
  wanted[1].question = "why two"
  t.equal(second.params.arguments, wanted, "the arguments")
  t.check(
    child:lua("return vim.wo.winbar"):find("demo.py:2, why two — writing", 1, true),
    child:lua("return vim.wo.winbar")
  )
  child:lua([[vim.cmd("HearthExplain and who reads it")]])
  local third = child:wait_sent("workspace/executeCommand", 3)
  wanted[1].question = "and who reads it"
  t.equal(third.params.arguments, wanted, "the arguments")
  delta(child, third, "Nobody.")
  wait_panel(t, child, "Nobody.")
end)

case("an explanation ends when the server does", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\n")
  child:lua([[vim.cmd("HearthExplain")]])
  delta(child, child:wait_sent("workspace/executeCommand"), "It ")
  wait_panel(t, child, "It ")
  child:lua([[require("hearth.client").get():notify("test/die", { code = 3 })]])
  t.wait("no message", function()
    return #child:messages() > 0
  end)
  t.equal(child:messages(), { "Hearth: hearth.explain failed: the server is gone" }, "the messages")
  t.check(
    child:lua("return vim.wo.winbar"):find("failed", 1, true),
    child:lua("return vim.wo.winbar")
  )
end)

case("an explanation that is not whole says why, above the places it cites", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\n")
  child:lua([[vim.cmd("HearthExplain")]])
  local request = child:wait_sent("workspace/executeCommand")
  delta(child, request, "It sets [1]")
  child:send({
    id = request.id,
    result = {
      markdown = "It sets [1]",
      engine = "vllm",
      endedEarly = "The model server is gone.",
      citations = {
        {
          number = 1,
          repository = "demo",
          path = "demo.py",
          startLine = 1,
          endLine = 1,
          commit = "",
          title = "",
        },
      },
    },
  })
  wait_panel(
    t,
    child,
    "It sets [1]\n\n**The explanation ended early.** The model server is gone.\n\n---\n- [1] demo.py:1-1 demo"
  )
  t.check(
    child:lua("return vim.wo.winbar"):find("demo.py:1 — ended early", 1, true),
    child:lua("return vim.wo.winbar")
  )
end)

case("an explanation that fails says so once", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\n")
  child:lua([[vim.cmd("HearthExplain")]])
  child:refuse(child:wait_sent("workspace/executeCommand"), -32603)
  t.wait("no message", function()
    return #child:messages() > 0
  end)
  t.equal(child:messages(), { "Hearth: hearth.explain failed: refused" }, "the messages")
end)

case("the code action of the server opens the same explanation", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\n")
  child:lua([[
    local place = { line = 0, character = 0 }
    require("hearth.client").get():exec_cmd({
      title = "Explain", command = "hearth.explain",
      arguments = { { uri = vim.uri_from_bufnr(0), range = { start = place, ["end"] = place } } },
    })
  ]])
  local request = child:wait_sent("workspace/executeCommand")
  delta(child, request, "Text")
  wait_panel(t, child, "Text")
end)

case("a buffer that the server does not know cannot be explained, and why is said", function(t)
  local child = t.start()
  child:edit("demo.py", "a = 1\n")
  child:open(".env", "A=1\n")
  child:lua([[vim.cmd("HearthExplain")]])
  t.check(child:messages()[1]:find("its name is in `secret_files`", 1, true), child:messages()[1])
  child:call("command", "enew")
  child:lua([[vim.cmd("HearthExplain")]])
  t.equal(
    child:messages()[2],
    "Hearth: this buffer is not known to the server: it has no file name yet.",
    "the message"
  )
  t.equal(#child:sent("workspace/executeCommand"), 0, "the number of commands")
end)

case("an explanation that is asked for while the server starts comes when it runs", function(t)
  local child = t.start({ settings = false })
  -- The server begins when the test says so.
  local script = t.root .. "/tests/editors/neovim/scripted_server.py"
  local gate = 'until [ -e go ]; do sleep 0.05; done; exec "$0" "$@"'
  child:lua("require('hearth').setup({ cmd = ... })", {
    "sh",
    "-c",
    gate,
    vim.env.HEARTH_TEST_PYTHON,
    script,
    child.log,
    "utf-8",
  })
  child:open("demo.py", "é = 1\n")
  t.wait("the server is not started", function()
    return child:lua([[return require("hearth").statusline()]]) == "Hearth starting"
  end)
  child:type("$")
  child:lua([[vim.cmd("HearthExplain")]])
  t.equal(child:messages(), {
    "Hearth: the server is starting; the explanation comes when it runs.",
  }, "the messages")
  child:write("go", "")
  local request = child:wait_sent("workspace/executeCommand")
  local place = { line = 0, character = 5 }
  t.equal(request.params.arguments[1].range, { start = place, ["end"] = place }, "the range")
  delta(child, request, "Text")
  wait_panel(t, child, "Text")
end)

case("why a suggestion was made", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua([[vim.cmd("HearthWhy")]])
  t.equal(child:messages(), { "Hearth: no suggestion has been shown yet." }, "the messages")
  child:type("ix")
  local request = child:wait_request()
  child:answer(request, "1")
  child:wait_ghost("1")
  child:type("<Esc>")
  child:wait_no_ghost()
  child:lua([[vim.cmd("HearthWhy")]])
  local asked = child:wait_sent("hearth/why")
  t.equal(asked.params, { id = ("s%d-1"):format(request.id) }, "what was asked")
  child:send({
    id = asked.id,
    result = {
      engine = "vllm",
      model = "coder",
      snippets = {
        {
          repository = "demo",
          path = "a.py",
          commit = "abc",
          startLine = 1,
          endLine = 9,
          score = 0.5,
          reason = "imported",
        },
      },
      dropped = { { repository = "demo", path = "b.py", reason = "no room" } },
      stages = { context = 4.5, engine = 80 },
    },
  })
  t.wait("nothing is shown", function()
    return child:call("buf_get_name", 0) == "hearth://why"
  end)
  local text = child:text()
  for _, part in ipairs({
    "Engine: `vllm` coder",
    "- `a.py:1-9` demo@abc, score 0.500: imported",
    "- `b.py` demo: no room",
    "- context: 4.5 ms",
  }) do
    t.check(text:find(part, 1, true), text)
  end
  -- A snippet is a place to go to, and the float does not cover it.
  child:lua([[vim.fn.search("a.py:1")]])
  child:type("<CR>")
  child:send({
    id = child:wait_sent("hearth/file").id,
    result = { text = "a = 1\n", language = "python", commit = "abc" },
  })
  t.wait("the text is not shown", function()
    return child:call("buf_get_name", 0) == "hearth://demo@abc/a.py"
  end)
  t.equal(child:lua("return #vim.api.nvim_list_wins()"), 1, "the number of windows")
end)

local function hits(child)
  return {
    hits = {
      {
        repository = "demo",
        path = "lib.py",
        startLine = 4,
        endLine = 6,
        commit = "abcdef",
        symbol = "publish",
        language = "python",
        score = 1,
        text = "def publish():\n    pass\n",
        uri = vim.uri_from_fname(child.dir .. "/project/lib.py"),
      },
      {
        repository = "far",
        path = "away.py",
        startLine = 7,
        endLine = 8,
        commit = "0123456789abcdef",
        symbol = "",
        language = "python",
        score = 0.5,
        text = "\nx = 1\n",
      },
    },
  }
end

case("a search is chosen from and opens files, or text from the index", function(t)
  local child = t.start()
  child:write("lib.py", ("line\n"):rep(9))
  child:edit("demo.py", "\n")
  child:lua([[
    _G.pick = 1
    vim.ui.select = function(items, options, choose)
      _G.offered = vim.tbl_map(options.format_item, items)
      choose(items[_G.pick])
    end
  ]])
  child:lua([[vim.cmd("HearthSearch publish atomically")]])
  local request = child:wait_sent("hearth/search")
  t.equal(request.params.query, "publish atomically", "the query")
  child:send({ id = request.id, result = hits(child) })
  t.wait("the file is not shown", function()
    return child:call("buf_get_name", 0) == child.dir .. "/project/lib.py"
  end)
  t.equal(child:cursor(), { 4, 0 }, "the cursor")
  t.equal(
    child:lua("return _G.offered"),
    { "lib.py:4  publish  [demo]", "away.py:7  x = 1  [far]" },
    "what is offered"
  )
  child:lua([[_G.pick = 2; vim.cmd("HearthSearch publish")]])
  child:send({ id = child:wait_sent("hearth/search", 2).id, result = hits(child) })
  child:send({
    id = child:wait_sent("hearth/file").id,
    result = { text = ("x = 1\n"):rep(9), language = "python", commit = "0123456789abcdef" },
  })
  t.wait("the text is not shown", function()
    return child:call("buf_get_name", 0) == "hearth://far@0123456789ab/away.py"
      and child:cursor()[1] == 7
  end)
  t.equal(
    child:lua("return { vim.bo.modifiable, vim.bo.filetype }"),
    { false, "python" },
    "the options"
  )
end)

case("a search with a bang fills the quickfix list", function(t)
  local child = t.start()
  child:write("lib.py", ("line\n"):rep(9))
  child:edit("demo.py", "\n")
  child:lua([[vim.cmd("HearthSearch! publish")]])
  child:send({ id = child:wait_sent("hearth/search").id, result = hits(child) })
  t.wait("the list is empty", function()
    return child:lua([[return vim.fn.getqflist({ title = 0 }).title]]) == "Hearth: publish"
  end)
  t.equal(child:lua([[return #vim.fn.getqflist()]]), 2, "the length of the list")
  t.equal(child:lua([[return vim.fn.getqflist()[2].valid]]), 1, "whether one can go to the second")
  t.equal(child:lua([[return vim.fn.getqflist()[1].lnum]]), 4, "the line")
  t.equal(
    child:lua([[return vim.api.nvim_buf_get_lines(0, 0, -1, true)]]),
    { "lib.py|4-6| publish [demo]", "away.py|7-8| x = 1 [far]" },
    "what the list shows"
  )
  child:lua([[vim.cmd("cfirst")]])
  t.equal(child:call("buf_get_name", 0), child.dir .. "/project/lib.py", "the file")
  child:lua([[vim.cmd("HearthSearch nothing")]])
  child:send({ id = child:wait_sent("hearth/search", 2).id, result = { hits = {} } })
  t.wait("no message", function()
    return child:messages()[1] == 'Hearth: nothing found for "nothing".'
  end)
end)
