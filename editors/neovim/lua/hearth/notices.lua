--- What the user is told. Neovim's own messages ask for Enter when they are longer than the command line, in the middle of
--- what one types: there it is a line that fits, and `:HearthStatus` has the whole of it.
local M = {}

--- How many are kept for `:HearthStatus`.
local KEPT = 20
local MORE = "… (:HearthStatus)"

---@class (exact) hearth.Notice
---@field time string
---@field text string

---@type hearth.Notice[]
local kept = {}

--- Whether messages go to Neovim's command line, and not to a plugin that shows them in windows of its own.
---@return boolean
local function in_command_line()
  -- What is built into Neovim has no source file, or one that is named relative to its runtime.
  local source = debug.getinfo(vim.notify, "S").source
  return source == "?" or source:find("vim/_", 1, true) ~= nil
end

--- As much of it as fits into the command line, with word on where the rest is.
---@param text string
---@return string
function M._line(text)
  local line = vim.trim((text:gsub("%s+", " ")))
  local room = vim.v.echospace
  if line == text and vim.fn.strdisplaywidth(line) <= room then
    return line
  end
  room = math.max(0, room - vim.fn.strdisplaywidth(MORE))
  local count = math.min(vim.fn.strchars(line), room)
  while vim.fn.strdisplaywidth(vim.fn.strcharpart(line, 0, count)) > room do
    count = count - 1
  end
  return vim.trim(vim.fn.strcharpart(line, 0, count)) .. MORE
end

--- Say it in the command line, by itself: what is said while files are read gets their names in front of it, what follows
--- another message a line below that one, and what is said over a command line in use spoils it.
---@param text string
---@param level integer
local function say_alone(text, level)
  local waits_for = vim.v.vim_did_enter == 0 and "VimEnter"
    or vim.api.nvim_get_mode().mode:sub(1, 1) == "c" and "CmdlineLeave"
  if waits_for then
    vim.api.nvim_create_autocmd(waits_for, {
      once = true,
      callback = vim.schedule_wrap(function()
        say_alone(text, level)
      end),
    })
    return
  end
  vim.cmd.redraw()
  vim.notify(M._line(text), level)
end

--- Tell the user something that names Hearth by itself.
---@param text string
---@param level integer One of `vim.log.levels`.
function M.say(text, level)
  table.insert(kept, { time = os.date("%H:%M:%S"), text = text })
  if #kept > KEPT then
    table.remove(kept, 1)
  end
  if in_command_line() then
    vim.schedule(function()
      say_alone(text, level)
    end)
  else
    vim.notify(text, level, { title = "Hearth" })
  end
end

--- What was said last, oldest first.
---@return hearth.Notice[]
function M.all()
  return kept
end

return M
