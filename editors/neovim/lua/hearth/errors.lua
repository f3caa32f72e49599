--- What can go wrong for the user, each with a code, a level and advice.
local notices = require("hearth.notices")

local M = {}

---@alias hearth.ErrorCode
---| "bad_config"
---| "not_executable"
---| "start_failed"
---| "gave_up"
---| "bad_command"
---| "no_token"
---| "refused"
---| "no_server"
---| "request_failed"
---| "nothing_to_explain"
---| "not_yet"
---| "nothing_shown"
---| "forgotten"
---| "not_indexed"
---| "moved_on"
---| "no_hits"
---| "no_scope"

---@class (exact) hearth.ErrorKind
---@field level integer One of `vim.log.levels`.
---@field message string Format of the message.
---@field advice? string What to do about it.

---@type table<hearth.ErrorCode, hearth.ErrorKind>
M.kinds = {
  bad_config = {
    level = vim.log.levels.ERROR,
    message = "configuration: %s.",
    advice = "See :help hearth-configuration.",
  },
  not_executable = {
    level = vim.log.levels.ERROR,
    message = "the server command %q is not executable.",
    advice = "Install Hearth, or set `cmd` in require('hearth').setup{}; :checkhealth hearth tells more.",
  },
  start_failed = {
    level = vim.log.levels.ERROR,
    message = "the server did not start: %s",
    advice = "See :checkhealth hearth.",
  },
  gave_up = {
    level = vim.log.levels.ERROR,
    message = "the server stopped %d times in a row (%s); not starting it again.",
    advice = "Look into :lua vim.cmd.edit(vim.lsp.log.get_filename()), then :HearthRestart.",
  },
  bad_command = {
    level = vim.log.levels.ERROR,
    message = "the server does not take its arguments or settings (exit code 2).",
    advice = "`%s` in a terminal says what is wrong; then :HearthRestart.",
  },
  no_token = {
    level = vim.log.levels.ERROR,
    message = "there is no token: %s.",
    advice = "See `server` in :help hearth-configuration; then :HearthRestart.",
  },
  refused = {
    level = vim.log.levels.ERROR,
    message = "%s",
    advice = "When that is put right, :HearthRestart tries again.",
  },
  no_server = {
    level = vim.log.levels.WARN,
    message = "the server is not running (%s).",
    advice = ":HearthRestart starts it, :HearthStatus shows its state.",
  },
  request_failed = { level = vim.log.levels.ERROR, message = "%s failed: %s" },
  nothing_to_explain = {
    level = vim.log.levels.WARN,
    message = "this buffer is not known to the server: %s.",
  },
  not_yet = {
    level = vim.log.levels.INFO,
    message = "the server is starting; the explanation comes when it runs.",
  },
  nothing_shown = {
    level = vim.log.levels.INFO,
    message = "no suggestion has been shown yet.",
  },
  forgotten = {
    level = vim.log.levels.INFO,
    message = "the server no longer remembers this suggestion.",
  },
  not_indexed = {
    level = vim.log.levels.WARN,
    message = "the index has no %s of %s, or none that you may read.",
  },
  moved_on = {
    level = vim.log.levels.INFO,
    message = "this is %s as of commit %s; what you followed was of %s, and lines may have moved.",
  },
  no_hits = { level = vim.log.levels.INFO, message = "nothing found for %q." },
  no_scope = { level = vim.log.levels.ERROR, message = "%q is none of %s." },
}

---@param code hearth.ErrorCode
---@param ... any
---@return string
function M.text(code, ...)
  local kind = M.kinds[code]
  local whole = kind.advice and ("%s %s"):format(kind.message, kind.advice) or kind.message
  return whole:format(...)
end

---@param code hearth.ErrorCode
---@param ... any
function M.notify(code, ...)
  notices.say("Hearth: " .. M.text(code, ...), M.kinds[code].level)
end

return M
