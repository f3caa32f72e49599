--- Decides which buffers Hearth may see. What it refuses is never sent to the server.
local config = require("hearth.config")

local M = {}

local BY_HAND = ":HearthEnable buffer shows it to the server"

---@class (exact) hearth.Switches
---@field all boolean
---@field filetypes table<string, boolean> What the user switched by hand, over the configuration.
---@field buffers table<integer, boolean>
local switches = { all = true, filetypes = {}, buffers = {} }

---@type table<string, vim.lpeg.Pattern>
local globs = {}

--- A glob with a slash is held against the whole path, one without against the name alone.
---@param path string
---@return boolean
local function is_secret(path)
  local whole = vim.fs.normalize(path):lower()
  local name = vim.fs.basename(whole)
  for _, glob in ipairs(config.current.secret_files) do
    globs[glob] = globs[glob] or vim.glob.to_lpeg(glob:lower())
    if globs[glob]:match(glob:find("/", 1, true) and whole or name) then
      return true
    end
  end
  return false
end

---@param filetype string
---@return boolean
function M.serves_filetype(filetype)
  local by_hand = switches.filetypes[filetype]
  if by_hand ~= nil then
    return by_hand
  end
  local configured = config.current.filetypes[filetype]
  if configured == nil then
    configured = config.current.filetypes["*"]
  end
  return configured ~= false
end

--- Whether Hearth may see the buffer; when not, the reason in words.
---@param bufnr integer
---@return boolean allowed, string reason
function M.allows(bufnr)
  if not vim.api.nvim_buf_is_loaded(bufnr) then
    return false, "the buffer is not loaded"
  end
  local options = vim.bo[bufnr]
  local name = vim.api.nvim_buf_get_name(bufnr)
  if options.buftype ~= "" then
    return false, ("it is a %s buffer"):format(options.buftype)
  elseif name == "" then
    return false, "it has no file name yet"
  elseif name:match("^%a[%w+.-]+://") then
    return false, "it is not a file"
  elseif not switches.all then
    return false, "Hearth is switched off, and :HearthEnable switches it on"
  end
  local by_hand = switches.buffers[bufnr]
  if by_hand ~= nil then
    return by_hand, "it was switched off by hand, and " .. BY_HAND
  elseif is_secret(name) then
    return false, "its name is in `secret_files`, but " .. BY_HAND
  elseif not M.serves_filetype(options.filetype) then
    return false, ("filetype %q is off, but %s"):format(options.filetype, BY_HAND)
  end
  local size = vim.api.nvim_buf_get_offset(bufnr, vim.api.nvim_buf_line_count(bufnr))
  if size > config.current.max_file_bytes then
    return false, "it is larger than `max_file_bytes`, but " .. BY_HAND
  end
  return true, ""
end

---@param on boolean
function M.switch_all(on)
  switches.all = on
end

---@return boolean
function M.is_on()
  return switches.all
end

---@param filetype string
---@param on boolean
function M.switch_filetype(filetype, on)
  switches.filetypes[filetype] = on
end

---@param bufnr integer
---@param on boolean
function M.switch_buffer(bufnr, on)
  switches.buffers[bufnr] = on
end

--- Forget what was switched by hand for a buffer that is gone.
---@param bufnr integer
function M.forget(bufnr)
  switches.buffers[bufnr] = nil
end

return M
