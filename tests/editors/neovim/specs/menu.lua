--- Completion menus beside Hearth: Neovim's own, opened by hand or by itself, with the keys that users map for it, and
--- those of plugins. nvim-cmp and blink.cmp are stood in for by what they document of themselves: a menu in a floating window,
--- <Tab> mapped with a fallback, events when the menu opens and closes, ghost text of their own, and what is chosen put into
--- the text. docs/editors.md says with which versions the same was tried by hand.

local function wait_menu(t, child, open)
  t.wait("the menu is not " .. (open and "open" or "closed"), function()
    return (child:lua("return vim.fn.pumvisible()") == 1) == open
  end)
end

--- Tab as most configurations have it: the next entry while a menu is open, a tab otherwise.
local TAB_IN_MENU = [[
  vim.keymap.set("i", "<Tab>", function() return vim.fn.pumvisible() == 1 and "<C-n>" or "<Tab>" end, { expr = true })
  vim.keymap.set("i", "<CR>", function() return vim.fn.pumvisible() == 1 and "<C-y>" or "<CR>" end, { expr = true })
  vim.o.completeopt = "menuone,noinsert"
  vim.bo.expandtab = false
]]

case("<C-n> opens, moves in and takes from the menu, and a suggestion comes after it", function(t)
  local child = t.start()
  child:edit("demo.py", "value_one\nvalue_two\n")
  child:type("Gox = ")
  child:answer(child:wait_request(), "value_three")
  child:wait_ghost("value_three")
  child:type("val<C-n>")
  wait_menu(t, child, true)
  child:wait_no_ghost()
  child:type("<C-n>")
  child:wait_text("value_one\nvalue_two\nx = value_two\n")
  child:settle()
  -- What the menu puts into the text while one browses it is not typed yet.
  t.equal(#child:sent("textDocument/inlineCompletion"), 1, "the number of requests")
  child:type("<C-y>")
  wait_menu(t, child, false)
  local second = child:wait_request(2)
  t.equal(second.params.position, { line = 2, character = 13 }, "the position")
  child:answer(second, " + 1")
  child:wait_ghost(" + 1")
  child:type("<Tab>")
  child:wait_text("value_one\nvalue_two\nx = value_two + 1\n")
end)

case("a mapped <Tab> moves in the menu, takes ghost text, and is a tab", function(t)
  local child = t.start()
  child:edit("demo.py", "value_one\nvalue_two\n")
  child:lua(TAB_IN_MENU)
  child:type("Go<Tab>val<C-n>")
  wait_menu(t, child, true)
  child:type("<Tab>")
  t.wait("the second entry is not chosen", function()
    return child:lua("return vim.fn.complete_info({ 'selected' }).selected") == 1
  end)
  child:type("<CR>")
  child:wait_text("value_one\nvalue_two\n\tvalue_two\n")
  child:answer(child:wait_request(), " = 1")
  child:wait_ghost(" = 1")
  child:type("<Tab>")
  child:wait_text("value_one\nvalue_two\n\tvalue_two = 1\n")
  child:wait_no_ghost()
  child:type("<Tab>")
  child:wait_text("value_one\nvalue_two\n\tvalue_two = 1\t\n")
end)

case("a menu that opens by itself after each key is not disturbed", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua(TAB_IN_MENU)
  -- What a source without a window of its own does, such as 'completefunc' plugins and nvim-cmp's native view.
  child:lua([[
    vim.api.nvim_create_autocmd("TextChangedI", { callback = function()
      local line = vim.api.nvim_get_current_line()
      local start = line:find("%a+$")
      if start and vim.fn.pumvisible() == 0 then
        vim.fn.complete(start, { "alpha", "alphabet", "alpine" })
      end
    end })
  ]])
  child:type("ix = al")
  wait_menu(t, child, true)
  child:settle()
  t.equal(child:ghost(), nil, "the ghost text")
  child:type("p<Tab><Tab>")
  t.wait("the third entry is not chosen", function()
    return child:lua("return vim.fn.complete_info({ 'selected' }).selected") == 2
  end)
  child:type("<CR>")
  child:wait_text("x = alpine\n")
  child:type("<Esc>u")
  child:wait_text("\n")
  t.equal(child:messages(), {}, "the messages")
end)

case("the menu that 'autocomplete' opens is not disturbed", function(t)
  local child = t.start()
  if child:lua("return vim.fn.exists('+autocomplete')") == 0 then
    return
  end
  child:edit("demo.py", "value_one\nvalue_two\n")
  child:lua([[vim.o.autocomplete = true; vim.o.completeopt = "menuone,noselect"]])
  child:type("Gova")
  wait_menu(t, child, true)
  child:settle()
  t.equal(child:ghost(), nil, "the ghost text")
  child:type("<C-n><C-y>")
  t.wait("nothing was taken", function()
    return child:text():find("\nvalue_%a+\n$")
  end)
  child:answer(child:wait_request(), " = 1")
  child:wait_ghost(" = 1")
  child:type("<Tab>")
  t.wait("the suggestion was not taken", function()
    return child:text():find("\nvalue_%a+ = 1\n$")
  end)
end)

--- What nvim-cmp and blink.cmp show to others, and how their documentation maps <Tab>.
local FLOATING_MENU = [[
  local listeners, window = {}, nil
  local chosen = 0
  local words = { "value_one", "value_two" }
  local menu = {}
  local function tell(cmp_event, blink_event)
    for _, listener in ipairs(listeners[cmp_event] or {}) do listener() end
    menu.tell_blink(blink_event)
  end
  function menu.visible() return window ~= nil end
  menu.is_menu_visible = menu.visible
  function menu.open()
    local buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_lines(buffer, 0, -1, true, words)
    window = vim.api.nvim_open_win(buffer, false,
      { relative = "cursor", row = 1, col = 0, width = 12, height = 2, focusable = false })
    chosen = 0
    tell("menu_opened", "BlinkCmpMenuOpen")
  end
  function menu.close()
    vim.api.nvim_win_close(window, true)
    window = nil
    tell("menu_closed", "BlinkCmpMenuClose")
  end
  function menu.tell_blink(event)
    vim.api.nvim_exec_autocmds("User", { pattern = event, modeline = false })
  end
  function menu.next() chosen = chosen % #words + 1 end
  function menu.confirm()
    local row, column = unpack(vim.api.nvim_win_get_cursor(0))
    local start = vim.api.nvim_get_current_line():sub(1, column):find("[%w_]*$") - 1
    menu.close()
    vim.api.nvim_buf_set_text(0, row - 1, start, row - 1, column, { words[chosen] })
    vim.api.nvim_win_set_cursor(0, { row, start + #words[chosen] })
  end
  menu.event = { on = function(_, name, listener)
    listeners[name] = listeners[name] or {}
    table.insert(listeners[name], listener)
  end }
  _G.menu = menu
  package.loaded[...] = menu
  vim.keymap.set("i", "<Tab>", function()
    if menu.visible() then menu.next() else vim.api.nvim_feedkeys(vim.keycode("<Tab>"), "in", false) end
  end)
  vim.keymap.set("i", "<CR>", function()
    if menu.visible() then menu.confirm() else vim.api.nvim_feedkeys(vim.keycode("<CR>"), "in", false) end
  end)
  vim.bo.expandtab = false
]]

for _, name in ipairs({ "cmp", "blink.cmp" }) do
  case(
    "keys belong to the menu while it is open, and to ghost text otherwise, with " .. name,
    function(t)
      local child = t.start()
      child:edit("demo.py", "\n")
      child:lua(FLOATING_MENU, name)
      child:type("i<Tab>x = va")
      child:answer(child:wait_request(), "lue_three")
      child:wait_ghost("lue_three")
      child:lua("menu.open()")
      child:wait_no_ghost()
      child:type("<Tab><Tab><CR>")
      child:wait_text("\tx = value_two\n")
      child:answer(child:wait_request(2), "(1)")
      child:wait_ghost("(1)")
      child:type("<Tab>")
      child:wait_text("\tx = value_two(1)\n")
      child:wait_no_ghost()
      child:type("<Tab><CR>y")
      child:wait_text("\tx = value_two(1)\t\n\ty\n")
      t.equal(child:messages(), {}, "the messages")
    end
  )
end

for _, name in ipairs({ "cmp", "blink.cmp" }) do
  case("ghost text of another plugin stands alone, also beside a menu, with " .. name, function(t)
    local child = t.start({ settings = { hide_with_menu = false } })
    child:edit("demo.py", "\n")
    child:lua(FLOATING_MENU, name)
    child:lua([[
      _G.draws = false
      menu.is_ghost_text_visible = function() return _G.draws end
      menu.get_config = function() return { experimental = { ghost_text = _G.draws } } end
    ]])
    child:type("ix = va")
    child:answer(child:wait_request(), "lue_three")
    child:wait_ghost("lue_three")
    child:lua("menu.open()")
    child:settle()
    t.equal(child:ghost(), "lue_three", "the ghost text beside the menu")
    child:lua("menu.close(); _G.draws = true; menu.open()")
    child:wait_no_ghost()
    child:lua("menu.close(); _G.draws = false; menu.tell_blink('BlinkCmpHide')")
    child:wait_ghost("lue_three")
  end)
end

case("what blink.cmp draws at the cursor without a menu stands alone", function(t)
  local child = t.start()
  child:edit("demo.py", "\n")
  child:lua(FLOATING_MENU, "blink.cmp")
  child:lua("menu.is_ghost_text_visible = function() return _G.draws end")
  child:type("ix = va")
  child:answer(child:wait_request(), "lue_three")
  child:wait_ghost("lue_three")
  child:lua("_G.draws = true; menu.tell_blink('BlinkCmpShow')")
  child:wait_no_ghost()
  child:lua("_G.draws = false; menu.tell_blink('BlinkCmpHide')")
  child:wait_ghost("lue_three")
end)
