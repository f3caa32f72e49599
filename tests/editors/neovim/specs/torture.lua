--- The texts of torture.py, which VS Code is tried on as well: each suggestion is taken, in part and whole, and undone to the byte.

---@param path string
---@return string
local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

case("hard texts are taken and undone byte for byte", function(t)
  local child = t.start()
  child:lua([[
    vim.cmd("filetype plugin indent off")
    vim.o.autoindent = false
    vim.o.tabstop = 4
    vim.o.shiftwidth = 0
    vim.o.fixendofline = false
  ]])
  local asked = 0

  --- Answer the request for a place; the ghost text on screen must be the suggestion.
  local function suggest(each)
    asked = asked + 1
    local request = child:wait_request(asked)
    t.equal(request.params.position, each.position, each.name .. ": the position")
    child:answer(request, each.suggestion)
    t.wait(function()
      return ("%s: ghost text is %s"):format(each.name, vim.inspect(child:ghost()))
    end, function()
      return (child:ghost() or ""):gsub("\n", "") == each.shown
    end)
  end

  local function leave_and_undo()
    child:type("<Esc>u")
    child:wait_no_ghost()
  end

  for _, each in ipairs(vim.json.decode(read(vim.env.HEARTH_TEST_DIR .. "/torture.json"))) do
    local path = child:edit(each.file, each.text)
    if each.after == "" then
      -- A last line without an end may be empty; Neovim takes the line above for one with an end when it reads the file.
      child:lua("vim.api.nvim_buf_set_lines(0, -1, -1, true, { '' }); vim.bo.endofline = false")
    end
    local before = each.before:gsub("\r", "")
    local _, lines = before:gsub("\n", "")
    local line = before:match("[^\n]*$")
    child:call("win_set_cursor", 0, { lines + 1, #line })
    child:type(child:call("get_current_line") == line and "A" or "i")
    child:type(each.typed)
    suggest(each)
    child:type("<C-Right>")
    t.wait(each.name .. ": no word was taken", function()
      local ghost = child:ghost()
      return ghost and #ghost:gsub("\n", "") < #each.shown and child:text() ~= each.asked
    end)
    leave_and_undo()
    child:wait_text(each.asked)

    -- At the place where it was undone, the same is suggested again.
    line = line .. each.typed
    child:call("win_set_cursor", 0, { lines + 1, #line })
    child:type(child:call("get_current_line") == line and "A" or "i")
    suggest(each)
    child:type("<Tab>")
    child:wait_text(each.taken)
    leave_and_undo()
    child:wait_text(each.asked)
    child:type("u")
    child:wait_text(each.text)
    child:call("command", "silent redo | silent redo | silent write")
    t.equal(read(path), each.taken, each.name .. ": the file")
    -- Taking all of it asked for more.
    asked = #child:sent("textDocument/inlineCompletion")
  end
end)
