--- Text that is hard to get right: line ends, tabs, wide and composed characters, very long and very many lines.

local function take(child, before_keys, suggestion)
  child:type(before_keys)
  local request = child:wait_request()
  child:answer(request, suggestion)
  return request
end

case("a file with CR LF keeps its line ends and counts them", function(t)
  local child = t.start()
  local path = child:edit("demo.py", "a = 1\r\nb = 2\r\n")
  t.equal(child:lua("return vim.bo.fileformat"), "dos", "'fileformat'")
  t.equal(
    child:wait_sent("textDocument/didOpen").params.textDocument.text,
    "a = 1\r\nb = 2\r\n",
    "the text sent"
  )
  local request = take(child, "ggoif a:", "\r\n    b = 3\r\n    c = 4")
  child:wait_ghost("\n    b = 3\n    c = 4")
  child:type("<C-l>")
  child:wait_text("a = 1\r\nif a:\r\n    b = 3\r\nb = 2\r\n")
  t.equal(
    child:wait_sent("hearth/didPartiallyAcceptCompletion").params.acceptedLength,
    11,
    "the length"
  )
  child:type("<Tab>")
  child:wait_text("a = 1\r\nif a:\r\n    b = 3\r\n    c = 4\r\nb = 2\r\n")
  child:type("<Esc>:w<CR>")
  t.wait("the file is not right", function()
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text == "a = 1\r\nif a:\r\n    b = 3\r\n    c = 4\r\nb = 2\r\n"
  end)
  t.check(request, "a request")
end)

for _, encoding in ipairs({ "utf-8", "utf-16", "utf-32" }) do
  case("emoji and composed characters before the cursor, counted in " .. encoding, function(t)
    local child = t.start({ encoding = encoding })
    -- Tab, a family of joined emoji, a letter with a combining accent, right-to-left letters.
    local before = "\t👩‍👩‍👧 é שלום "
    child:edit("demo.py", before .. "\n")
    local request = take(child, "A= ", "“ok” 👍 done")
    local wanted = vim.str_utfindex(before .. "= ", encoding)
    t.equal(request.params.position, { line = 0, character = wanted }, "the position")
    child:wait_ghost("“ok” 👍 done")
    child:type("“ok")
    child:wait_ghost("” 👍 done")
    child:type("<C-Right><Tab>")
    child:wait_text(before .. "= “ok” 👍 done\n")
  end)
end

case("a line of a megabyte is worked on like any other", function(t)
  local child = t.start()
  local long = ("x"):rep(1000000)
  child:edit("demo.js", long .. "\nlast\n")
  local request = take(child, "ggA;", "y = 1")
  t.equal(request.params.position.character, 1000001, "the position")
  child:wait_ghost("y = 1")
  child:type("y <Tab>")
  child:wait_text(long .. ";y = 1\nlast\n")
end)

case("indentation put in by Neovim is part of what was suggested", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua(
    "vim.bo.autoindent = true; vim.bo.expandtab = true; vim.bo.shiftwidth = 4; vim.bo.indentexpr = ''"
  )
  take(child, "i    if x:", "\n        return 1\n    return 2")
  child:wait_ghost("\n        return 1\n    return 2")
  child:type("<CR>")
  child:wait_ghost("    return 1\n    return 2")
  child:type("<Tab>")
  child:wait_text("    if x:\n        return 1\n    return 2\n")
end)

case("right-to-left text is taken word by word, and each word is undone by itself", function(t)
  local child = t.start()
  child:edit("demo.txt", "שלום\r\n")
  child:lua("vim.wo.rightleft = true")
  take(child, "A ", "עולם é́ סוף")
  child:wait_ghost("עולם é́ סוף")
  child:type("<C-Right>")
  child:wait_text("שלום עולם\r\n")
  child:type("<C-Right>")
  child:wait_text("שלום עולם é́\r\n")
  child:type("<Tab><Esc>")
  child:wait_text("שלום עולם é́ סוף\r\n")
  for _, wanted in ipairs({ "שלום עולם é́", "שלום עולם", "שלום ", "שלום" }) do
    child:type("u")
    child:wait_text(wanted .. "\r\n")
  end
end)
