--- Taking a suggestion, whole or in part, and undoing it.

--- Undo step by step from normal mode; the texts that come up, newest first.
local function undo_all(t, child)
  child:type("<Esc>")
  t.wait("still in insert mode", function()
    return child:call("get_mode").mode == "n"
  end)
  local texts = { child:text() }
  for _ = 1, 20 do
    child:lua([[vim.cmd("silent! undo")]])
    local text = child:text()
    if text == texts[#texts] then
      return texts
    end
    table.insert(texts, text)
  end
  return texts
end

case("word, line and all are taken one after the other, each its own undo step", function(t)
  local child = t.start()
  child:edit("demo.py", "top\n")
  child:type("oreturn ")
  child:answer(child:wait_request(), "alpha.beta(1)\n\nsecond line\nthird")
  child:wait_ghost("alpha.beta(1)\n\nsecond line\nthird")
  child:type("<C-Right>")
  child:wait_text("top\nreturn alpha\n")
  child:wait_ghost(".beta(1)\n\nsecond line\nthird")
  child:type("<C-Right>")
  child:wait_text("top\nreturn alpha.\n")
  child:wait_ghost("beta(1)\n\nsecond line\nthird")
  child:type("<C-l>")
  child:wait_text("top\nreturn alpha.beta(1)\n")
  child:wait_ghost("\n\nsecond line\nthird")
  child:type("<C-l>")
  child:wait_text("top\nreturn alpha.beta(1)\n\n")
  child:wait_ghost("\nsecond line\nthird")
  child:type("<Tab>")
  child:wait_text("top\nreturn alpha.beta(1)\n\nsecond line\nthird\n")
  child:wait_no_ghost()
  t.equal(child:cursor(), { 5, 5 }, "the cursor")
  child:type(" more")
  child:wait_text("top\nreturn alpha.beta(1)\n\nsecond line\nthird more\n")
  t.equal(undo_all(t, child), {
    "top\nreturn alpha.beta(1)\n\nsecond line\nthird more\n",
    "top\nreturn alpha.beta(1)\n\nsecond line\nthird\n",
    "top\nreturn alpha.beta(1)\n\n",
    "top\nreturn alpha.beta(1)\n",
    "top\nreturn alpha.\n",
    "top\nreturn alpha\n",
    "top\nreturn \n",
    "top\n",
  }, "the steps of undo")
end)

case("taking it in one go asks for what comes next", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  child:answer(child:wait_request(), "1")
  child:wait_ghost("1")
  child:type("<Tab>")
  child:wait_text("x = 1\n")
  t.equal(child:wait_request(2).params.position, { line = 0, character = 5 }, "the position")
end)

case("a suggestion is taken while it still grows", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  local request = child:wait_request()
  child:part(request, "one two ")
  child:wait_ghost("one two ")
  child:type("<C-Right>")
  child:wait_text("x = one\n")
  child:wait_ghost(" two ")
  child:part(request, "one two three")
  child:wait_ghost(" two three")
  child:type("<Tab>")
  child:wait_text("x = one two three\n")
end)

case("Tab and the other keys do what they did before while nothing is visible", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua([[
    _G.pressed = {}
    vim.keymap.set("i", "<Tab>", function() table.insert(_G.pressed, "global"); return "<Tab>" end, { expr = true })
    vim.keymap.set("i", "<C-l>", "<Cmd>lua table.insert(_G.pressed, 'buffer')<CR>", { buffer = 0 })
    vim.bo.expandtab = false
  ]])
  child:type("i<Tab><C-l>")
  child:wait_text("\t\n")
  t.equal(child:lua("return _G.pressed"), { "global", "buffer" }, "the mappings run")
  child:answer(child:wait_request(), "1\n2\n3")
  child:wait_ghost("1\n2\n3")
  child:type("<C-l>")
  child:wait_text("\t1\n")
  child:type("<C-]>")
  child:wait_no_ghost()
  child:type("<C-l><Tab>")
  child:wait_text("\t1\t\n")
  t.equal(
    child:lua("return _G.pressed"),
    { "global", "buffer", "buffer", "global" },
    "the mappings run"
  )
  local mappings = child:lua([[
    return vim.tbl_map(function(each) return each.lhs end, vim.api.nvim_buf_get_keymap(0, "i"))
  ]])
  t.equal(mappings, { "<C-L>" }, "the buffer's mappings")
end)

case("a mapping made while it is visible is left alone", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix")
  child:answer(child:wait_request(), "1")
  child:wait_ghost("1")
  child:lua([[vim.keymap.set("i", "<Tab>", "mine", { buffer = 0 })]])
  child:type("<C-]>")
  child:wait_no_ghost()
  child:type("<Tab>")
  child:wait_text("xmine\n")
end)

case("the functions for one's own mappings say whether there was anything to take", function(t)
  local child = t.start({ settings = { keymaps = { accept = false } } })
  child:edit("demo.py", "\n")
  child:lua([[
    vim.keymap.set("i", "<C-e>", function()
      if not require("hearth").accept() then vim.api.nvim_feedkeys("none", "n", false) end
    end)
  ]])
  child:type("ix<C-e>")
  child:wait_text("xnone\n")
  child:answer(child:wait_request(), " = 1")
  child:wait_ghost(" = 1")
  child:type("<C-e>y")
  child:wait_text("xnone = 1y\n")
  t.equal(
    undo_all(t, child),
    { "xnone = 1y\n", "xnone = 1\n", "xnone\n", "\n" },
    "the steps of undo"
  )
end)

case("a part taken inside brackets uses up what it repeats", function(t)
  local child = t.start()
  child:edit("demo.py", "f(]\n")
  child:type("$i1")
  local request = child:wait_request()
  local range = { start = { line = 0, character = 3 }, ["end"] = { line = 0, character = 4 } }
  child:answer(request, " + [2] + x)", range)
  child:wait_ghost(" + [2| + x)")
  for _, wanted in ipairs({
    { "f(1 +]\n", 5 },
    { "f(1 + []\n", 7 },
    { "f(1 + [2]\n", 8 },
    -- The bracket that was there is what the suggestion has here: the cursor goes over it.
    { "f(1 + [2]\n", 9 },
    { "f(1 + [2] +\n", 11 },
    { "f(1 + [2] + x\n", 13 },
  }) do
    child:type("<C-Right>")
    child:wait_text(wanted[1])
    t.equal(child:cursor(), { 1, wanted[2] }, "the cursor")
  end
  child:wait_ghost(")")
  child:type("<Tab>")
  child:wait_text("f(1 + [2] + x)\n")
end)

case("the server hears what was shown, taken and refused, in UTF-16 units", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:type("ix = ")
  local request = child:wait_request()
  child:answer(request, "😀é one")
  child:wait_ghost("😀é one")
  child:type("<C-Right>")
  child:wait_text("x = 😀é\n")
  local id = ("s%d-1"):format(request.id)
  t.equal(child:wait_sent("hearth/didShowCompletion").params, { id = id }, "shown")
  t.equal(
    child:wait_sent("hearth/didPartiallyAcceptCompletion").params,
    { id = id, acceptedLength = 3 },
    "partly taken"
  )
  child:type("<Tab>")
  t.equal(child:wait_sent("hearth/didAcceptCompletion").params, { id = id }, "taken")
  local second = child:wait_request(2)
  child:answer(second, " + 1")
  child:wait_ghost(" + 1")
  t.equal(
    child:wait_sent("hearth/didShowCompletion", 2).params,
    { id = ("s%d-1"):format(second.id) },
    "shown after it stood for a while"
  )
  child:type("z")
  t.equal(
    child:wait_sent("hearth/didRejectCompletion").params,
    { id = ("s%d-1"):format(second.id) },
    "refused"
  )
  -- One that flashes by was neither shown nor refused.
  local third = child:wait_request(3)
  child:answer(third, "1")
  child:wait_ghost("1")
  child:type("z")
  child:wait_no_ghost()
  child:settle()
  t.equal(#child:sent("hearth/didShowCompletion"), 2, "the number shown")
  t.equal(#child:sent("hearth/didRejectCompletion"), 1, "the number refused")
  t.equal(#child:sent("workspace/executeCommand"), 0, "the number of commands")
end)

case("with telemetry off the server hears nothing", function(t)
  local child = t.start({ settings = { telemetry = false } })
  child:edit("demo.py", "\n")
  child:type("ix = ")
  child:answer(child:wait_request(), "1")
  child:wait_ghost("1")
  child:type("<Tab>")
  child:wait_text("x = 1\n")
  child:settle()
  t.equal(#child:sent("hearth/didShowCompletion"), 0, "the number shown")
  t.equal(#child:sent("hearth/didAcceptCompletion"), 0, "the number taken")
end)
