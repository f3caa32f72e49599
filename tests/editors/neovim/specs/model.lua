--- The plugin, a real server, and a model server that writes word by word.
local real = require("real")

for _, name in ipairs({ "shop/audit.py", "shop/window.ts" }) do
  case("ghost text grows in at least three steps while the model writes, in " .. name, function(t)
    local child = real.start(t)
    real.edit(child, name)
    t.wait("the model server is not found", function()
      return real.statusline(child) == "Hearth vllm"
    end, real.SLOW_MS)
    child:lua([[
    _G.seen = {}
    local ghost = require("hearth.ghost")
    local draw = ghost.draw
    ghost.draw = function(drawing) table.insert(_G.seen, drawing.pieces[1].text); draw(drawing) end
  ]])
    child:type("Gototal = ")
    t.wait(function()
      return vim.inspect(child:lua("return _G.seen"))
    end, function()
      return #child:lua("return _G.seen") >= 3
    end, real.SLOW_MS)
    -- Typing what is shown, in the middle of the stream, keeps it on screen.
    child:type("car")
    t.wait(function()
      return vim.inspect(child:lua("return _G.seen"))
    end, function()
      return (child:ghost() or ""):find("^t%.total_in_euro%(%) %+ cart%.other")
    end, real.SLOW_MS)
    local seen = child:lua("return _G.seen")
    for index = 2, 3 do
      t.check(vim.startswith(seen[index], seen[index - 1]), vim.inspect(seen))
    end
    child:type("<Tab>")
    t.wait(function()
      return child:text()
    end, function()
      return child:text():find("total = cart.total_in_euro() + cart.other", 1, true)
    end)
  end)
end
