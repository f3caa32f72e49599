--- Suggestions on screen: how they come, grow, are typed through, and go.
local CANCELLED, CONTENT_MODIFIED = -32800, -32801

case("ghost text grows as parts arrive and the answer ends it", function(t)
  local child = t.start()
  child:edit("demo.py", "x = 1\n")
  child:type("Goreturn ")
  local request = child:wait_request()
  t.equal(request.params.position, { line = 1, character = 7 }, "the position")
  t.equal(request.params.context.triggerKind, 2, "the trigger")
  child:part(request, "fo")
  child:wait_ghost("fo")
  child:part(request, "foo(")
  child:wait_ghost("foo(")
  child:part(request, "foo(\n    1,\n")
  child:wait_ghost("foo(\n    1,\n")
  child:answer(request, "foo(\n    1,\n)")
  child:wait_ghost("foo(\n    1,\n)")
  t.equal(child:text(), "x = 1\nreturn \n", "the text")
end)

case("typing what is suggested keeps the rest and asks nothing", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ireturn ")
  child:answer(child:wait_request(), "value + 1\nreturn None")
  child:wait_ghost("value + 1\nreturn None")
  -- Every state that the ghost text goes through is written down: it must never be gone.
  child:lua([[
    _G.states = {}
    local ghost = require("hearth.ghost")
    local draw, clear = ghost.draw, require("hearth.keys").give_back
    ghost.draw = function(drawing) table.insert(_G.states, drawing.pieces[1].text); draw(drawing) end
    require("hearth.keys").give_back = function(...) table.insert(_G.states, "gone"); clear(...) end
  ]])
  child:type("val")
  child:wait_ghost("ue + 1\nreturn None")
  child:type("ue + 1<CR>re")
  child:wait_ghost("turn None")
  child:settle()
  t.equal(#child:sent("textDocument/inlineCompletion"), 1, "the number of requests")
  t.check(not vim.list_contains(child:lua("return _G.states"), "gone"), "it flickered")
  child:type("<BS><BS>")
  child:wait_ghost("return None")
end)

case("a key that does not fit hides it, cancels the request and asks anew", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  local request = child:wait_request()
  child:part(request, "value")
  child:wait_ghost("value")
  child:type("7")
  child:wait_no_ghost()
  t.equal(child:wait_sent("$/cancelRequest").params.id, request.id, "the cancelled request")
  local second = child:wait_request(2)
  t.equal(second.params.position.character, 5, "the new position")
  -- What comes for the first one now is late.
  child:part(request, "value + 1")
  child:answer(request, "value + 1")
  child:settle()
  t.equal(child:ghost(), nil, "the ghost text")
  child:answer(second, "00")
  child:wait_ghost("00")
end)

case("what was typed before the server was there is gone on with when it is", function(t)
  local child = t.start()
  child:open("demo.py", "\n")
  child:type("ix = ")
  local request = child:wait_request()
  t.equal(request.params.position, { line = 0, character = 4 }, "the position")
  child:answer(request, "1")
  child:wait_ghost("1")
end)

case("a user who waits is asked for again when the index is ready, and only then", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  local function say(state)
    child:send({
      method = "hearth/status",
      params = {
        engine = { rung = "embedded", detail = "", model = "", tokens = "" },
        index = { state = state, repositories = {} },
      },
    })
    child:settle()
  end
  say("indexing")
  child:type("ix = ")
  child:answer(child:wait_request(), {})
  child:settle()
  say("indexing")
  t.equal(#child:sent("textDocument/inlineCompletion"), 1, "the number of requests")
  say("ready")
  child:answer(child:wait_request(2), "1")
  child:wait_ghost("1")
  say("indexing")
  say("ready")
  t.equal(child:ghost(), "1", "the ghost text")
  t.equal(#child:sent("textDocument/inlineCompletion"), 2, "the number of requests")
end)

case("a request with no answer yet is cancelled by the next key", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ia")
  local request = child:wait_request()
  child:type("b")
  t.equal(child:wait_sent("$/cancelRequest").params.id, request.id, "the cancelled request")
  child:wait_request(2)
end)

case("an answer cut short by typing stays and is asked for again", function(t)
  for _, code in ipairs({ CANCELLED, CONTENT_MODIFIED }) do
    local child = t.start()
    child:edit("demo.py", "\n")
    child:type("ireturn ")
    local request = child:wait_request()
    child:part(request, "value + o")
    child:wait_ghost("value + o")
    child:type("va")
    child:wait_ghost("lue + o")
    child:refuse(request, code)
    local second = child:wait_request(2)
    t.equal(second.params.position.character, 9, "the new position")
    t.equal(child:ghost(), "lue + o", "the ghost text while waiting")
    -- The new answer starts from nothing; what is on screen says more.
    child:part(second, "lue")
    child:settle()
    t.equal(child:ghost(), "lue + o", "the ghost text while the new answer is shorter")
    child:part(second, "lue + other")
    child:wait_ghost("lue + other")
    child:answer(second, "lue + others")
    child:wait_ghost("lue + others")
  end
end)

case("a suggestion that the server takes back goes", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ireturn ")
  local request = child:wait_request()
  child:part(request, "value")
  child:wait_ghost("value")
  child:answer(request, {})
  child:wait_no_ghost()
  child:settle()
  t.equal(#child:sent("textDocument/inlineCompletion"), 1, "the number of requests")
end)

case("items for another line or a place that does not exist are dropped", function(t)
  local child = t.start()
  child:edit("demo.py", "\nsecond\n")
  child:type("ix")
  local request = child:wait_request()
  local function at(line, from, to)
    return { start = { line = line, character = from }, ["end"] = { line = line, character = to } }
  end
  for _, range in ipairs({ at(1, 0, 0), at(0, 0, 0), at(0, 2, 2), at(0, 9, 12), at(7, 0, 0) }) do
    child:part(request, "wrong", range)
  end
  child:settle()
  t.equal(child:ghost(), nil, "the ghost text")
  child:answer(request, "right")
  child:wait_ghost("right")
end)

case("parts that come faster than they can be read are drawn at a steady pace", function(t)
  local child = t.start({ settings = { redraw_ms = 200 } })
  child:edit("demo.py", "\n")
  child:type("ix")
  local request = child:wait_request()
  child:lua([[
    _G.drawn = 0
    local ghost = require("hearth.ghost")
    local draw = ghost.draw
    ghost.draw = function(drawing) _G.drawn = _G.drawn + 1; draw(drawing) end
  ]])
  local began = vim.uv.hrtime()
  local text = ""
  for index = 1, 40 do
    text = text .. ("word%d "):format(index)
    child:part(request, text)
  end
  child:wait_ghost(text)
  -- As many as there were pauses; on a busy machine the parts may take seconds.
  local most = 2 + (vim.uv.hrtime() - began) / 200e6
  local drawn = child:lua("return _G.drawn")
  t.check(drawn <= most, ("drawn %d times, not %.1f"):format(drawn, most))
end)

case(
  "an item may repeat what stands before the cursor and replace what stands behind it",
  function(t)
    local child = t.start()
    child:edit("demo.py", "call()\n")
    child:type("$ia")
    local request = child:wait_request()
    t.equal(request.params.position.character, 6, "the position")
    local range = { start = { line = 0, character = 5 }, ["end"] = { line = 0, character = 7 } }
    child:answer(request, "a, b[1])", range)
    child:wait_ghost(", b[1]")
    child:type("<Tab>")
    child:wait_text("call(a, b[1])\n")
    t.equal(child:cursor(), { 1, 13 }, "the cursor")
  end
)

case("text that goes around what is there is drawn in pieces", function(t)
  local child = t.start()
  child:edit("demo.py", "f(]\n")
  child:type("$i1")
  local request = child:wait_request()
  local range = { start = { line = 0, character = 3 }, ["end"] = { line = 0, character = 4 } }
  child:answer(request, ", [2] + x)", range)
  child:wait_ghost(", [2| + x)")
  child:type("<Tab>")
  child:wait_text("f(1, [2] + x)\n")
end)

case("brackets closed by an auto-pairs plugin do not end a suggestion", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua([[vim.keymap.set("i", "(", "()<Left>")]])
  child:type("if")
  child:answer(child:wait_request(), "oo(a, b)")
  child:wait_ghost("oo(a, b)")
  child:type("oo(")
  child:wait_ghost("a, b")
  child:type("<Tab>")
  child:wait_text("foo(a, b)\n")
end)

case("several lines in the middle of a line carry the rest of it along", function(t)
  local child = t.start()
  child:edit("demo.py", "ab\n")
  child:type("A<Left>x")
  child:answer(child:wait_request(), "1\n2")
  child:wait_ghost("1\n2")
  local screen = child:lua([[
    vim.cmd.redraw()
    local out = {}
    for row = 1, 3 do
      local line = ""
      for col = 1, 6 do line = line .. vim.fn.screenstring(row, col) end
      table.insert(out, vim.trim(line))
    end
    return out
  ]])
  t.equal(screen, { "ax1", "2b", "~" }, "the screen")
  child:type("<Tab>")
  child:wait_text("ax1\n2b\n")
end)

case("alternatives cycle, and more are asked for when there is one", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  child:answer(child:wait_request(), "one")
  child:wait_ghost("one")
  child:type("<M-]>")
  local second = child:wait_request(2)
  t.equal(second.params.context.triggerKind, 1, "the trigger")
  t.equal(child:ghost(), "one", "the ghost text while waiting")
  child:answer(second, { "one", "two", "three" })
  child:wait_ghost("two")
  child:type("<M-]>")
  child:wait_ghost("three")
  child:type("<M-]>")
  child:wait_ghost("one")
  child:type("<M-[>")
  child:wait_ghost("three")
  child:type("t")
  child:wait_ghost("hree")
  child:type("<BS>")
  child:wait_ghost("three")
  child:type("tw")
  child:wait_ghost("o")
  child:type("<Tab>")
  child:wait_text("x = two\n")
end)

--- What is said behind the first line of the ghost text.
local function note(child)
  return child:lua([[
    local namespace = vim.api.nvim_get_namespaces()["hearth.ghost"]
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
      for _, chunk in ipairs(mark[4].virt_text) do
        if chunk[2] == "HearthNote" then return vim.trim(chunk[1]) end
      end
    end
    return ""
  ]])
end

case("others are asked for also where the user asked for the one that is shown", function(t)
  local child = t.start({ settings = { auto_trigger = false } })
  child:edit("demo.py", "\n")
  child:type("ix = <M-\\>")
  local request = child:wait_request()
  child:part(request, "o")
  child:wait_ghost("o")
  -- The server has others for a complete answer only.
  child:type("<M-]>")
  child:settle()
  t.equal(#child:sent("textDocument/inlineCompletion"), 1, "the number of requests")
  child:answer(request, "one")
  local second = child:wait_request(2)
  t.equal(second.params.context.triggerKind, 1, "the trigger")
  child:part(second, "one")
  child:answer(second, { "one", "two" })
  child:wait_ghost("two")
  t.equal(note(child), "2/2", "the note")
end)

case("that there is no other is said, and not asked again", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  child:answer(child:wait_request(), "one")
  child:wait_ghost("one")
  t.equal(note(child), "", "the note")
  child:type("<M-]>")
  child:answer(child:wait_request(2), "one")
  t.wait("nothing is said", function()
    return note(child) == "1/1"
  end)
  child:type("<M-]>")
  child:settle()
  t.equal(child:ghost(), "one", "the ghost text")
  t.equal(#child:sent("textDocument/inlineCompletion"), 2, "the number of requests")
end)

case("dismissing hides it until something is typed", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  child:answer(child:wait_request(), "one")
  child:wait_ghost("one")
  child:type("<C-]>")
  child:wait_no_ghost()
  child:settle()
  t.equal(#child:sent("textDocument/inlineCompletion"), 1, "the number of requests")
  child:type("2")
  child:wait_request(2)
end)

case("moving the cursor or leaving insert mode hides it", function(t)
  local child = t.start()
  child:edit("demo.py", "abc\n")
  child:type("Ax")
  child:answer(child:wait_request(), "one")
  child:wait_ghost("one")
  child:type("<Left>")
  child:wait_no_ghost()
  child:type("<Right>y")
  child:answer(child:wait_request(2), "two")
  child:wait_ghost("two")
  child:type("<Esc>")
  child:wait_no_ghost()
end)

case("a change elsewhere that moves the line keeps it, one of the line drops it", function(t)
  local child = t.start()
  child:edit("demo.py", "a\nb\nc\n")
  child:type("GAx")
  child:answer(child:wait_request(), "one")
  child:wait_ghost("one")
  child:lua([[vim.api.nvim_buf_set_lines(0, 2, 3, false, { "changed" })]])
  child:type("<Left><Right>")
  child:wait_no_ghost()
end)

case("nothing is asked for in replace mode, with a macro or without typing", function(t)
  local child = t.start()
  child:edit("demo.py", "abc\n")
  child:type("Rxy")
  child:settle()
  child:type("<Esc>qaAz<Esc>q")
  child:settle()
  child:type("@a")
  child:wait_text("xyczz\n")
  child:type("jk")
  vim.wait(150)
  child:settle()
  t.equal(#child:sent("textDocument/inlineCompletion"), 0, "the number of requests")
end)

case("a menu or a snippet keeps it away, and it comes back after", function(t)
  local child = t.start()
  child:edit("demo.py", "value_one value_two\n")
  child:type("ox = ")
  child:answer(child:wait_request(), "value")
  child:wait_ghost("value")
  child:type("val<C-n>")
  t.wait("the menu did not open", function()
    return child:lua("return vim.fn.pumvisible()") == 1
  end)
  child:wait_no_ghost()
  child:type("<C-e>")
  child:wait_ghost("ue")
  child:lua([[vim.snippet.expand("u${1:e} + $2")]])
  child:wait_no_ghost()
end)

case("the menu of another plugin keeps it away", function(t)
  local child = t.start({
    before = [[
      _G.open = false
      package.loaded["blink.cmp"] = { is_menu_visible = function() return _G.open end }
    ]],
  })
  child:edit("demo.py", "\n")
  child:type("ix = ")
  child:answer(child:wait_request(), "value")
  child:wait_ghost("value")
  child:lua(
    [[_G.open = true; vim.api.nvim_exec_autocmds("User", { pattern = "BlinkCmpMenuOpen" })]]
  )
  child:wait_no_ghost()
  child:lua(
    [[_G.open = false; vim.api.nvim_exec_autocmds("User", { pattern = "BlinkCmpMenuClose" })]]
  )
  child:wait_ghost("value")
end)

case("nvim-cmp's menu keeps it away too, once that plugin is loaded", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua([[
    _G.listeners = {}
    package.loaded["cmp"] = {
      visible = function() error("asking waits for what the plugin looks up") end,
      event = { on = function(_, name, listener) _G.listeners[name] = listener end },
    }
  ]])
  child:type("ix = ")
  child:answer(child:wait_request(), "value")
  child:wait_ghost("value")
  child:lua("_G.listeners.menu_opened()")
  child:wait_no_ghost()
  child:lua("_G.listeners.menu_closed()")
  child:wait_ghost("value")
end)

case("with hide_with_menu off it stays beside the menu", function(t)
  local child = t.start({ settings = { hide_with_menu = false } })
  child:edit("demo.py", "value_one value_two\n")
  child:type("oval<C-n>")
  t.wait("the menu did not open", function()
    return child:lua("return vim.fn.pumvisible()") == 1
  end)
  child:answer(child:wait_request(), " + 1")
  child:wait_ghost(" + 1")
  t.equal(child:lua("return vim.fn.pumvisible()"), 1, "pumvisible()")
end)

case("with auto_trigger off only the key asks", function(t)
  local child = t.start({ settings = { auto_trigger = false } })
  child:edit("demo.py", "\n")
  child:type("ix = ")
  vim.wait(100)
  child:settle()
  t.equal(#child:sent("textDocument/inlineCompletion"), 0, "the number of requests")
  child:type("<M-\\>")
  child:answer(child:wait_request(), "1")
  child:wait_ghost("1")
end)

case("tabs in ghost text take as much room as they will in the text", function(t)
  local child = t.start()
  child:edit("demo.go", "package main\n")
  child:lua("vim.bo.tabstop = 4")
  child:type("oa")
  child:answer(child:wait_request(), "\tb\n\t\tc")
  child:wait_ghost("   b\n        c")
  child:type("<Tab>")
  child:wait_text("package main\na\tb\n\t\tc\n")
end)

case("a long suggestion is cut on screen only", function(t)
  local child = t.start({ settings = { max_lines = 3 } })
  child:edit("demo.py", "\n")
  child:type("ix")
  child:answer(child:wait_request(), "1\n2\n3\n4\n5")
  child:wait_ghost("1\n2\n3\n")
  child:type("<Tab>")
  child:wait_text("x1\n2\n3\n4\n5\n")
end)
