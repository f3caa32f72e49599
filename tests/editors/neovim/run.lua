--- Runs the cases of one file in `specs`: nvim --clean -l run.lua SPEC [CASE]
--- A failed case prints why; the exit code is 1 when any failed.
local here = vim.fs.dirname(vim.fs.abspath(debug.getinfo(1, "S").source:sub(2)))
package.path = here .. "/?.lua;" .. package.path

local children = require("child")

local T = { wait = children.wait, root = children.root }

---@param got any
---@param wanted any
---@param what? string
function T.equal(got, wanted, what)
  if not vim.deep_equal(got, wanted) then
    error(("%s is %s, not %s"):format(what or "it", vim.inspect(got), vim.inspect(wanted)), 2)
  end
end

---@param good any
---@param what string
function T.check(good, what)
  if not good then
    error(what, 2)
  end
end

---@type Child[]
local started = {}

function T.start(options)
  local child = children.start(options)
  table.insert(started, child)
  return child
end

local only = _G.arg[2]
local failed, ran = 0, 0

---@param name string
---@param body fun(t: table)
function _G.case(name, body)
  if only and name ~= only then
    return
  end
  ran = ran + 1
  local began = vim.uv.hrtime()
  local good, why = xpcall(body, function(message)
    return debug.traceback(tostring(message), 2)
  end, T)
  for _, child in ipairs(started) do
    local ended, problem = pcall(child.stop, child)
    if not ended then
      good, why = false, ("%s\n%s"):format(why or "", problem)
    end
  end
  started = {}
  local took = (vim.uv.hrtime() - began) / 1e6
  io.stdout:write(("%s %s (%.0f ms)\n"):format(good and "ok  " or "FAIL", name, took))
  if not good then
    failed = failed + 1
    io.stdout:write(tostring(why), "\n")
  end
end

dofile(("%s/specs/%s.lua"):format(here, _G.arg[1]))
if ran == 0 then
  io.stdout:write("no such case\n")
end
os.exit((failed > 0 or ran == 0) and 1 or 0)
