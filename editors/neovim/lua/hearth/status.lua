--- Says how Hearth is: for the statusline in a word, for `:HearthStatus` in full.
local client = require("hearth.client")
local config = require("hearth.config")
local launch = require("hearth.launch")
local notices = require("hearth.notices")
local panel = require("hearth.panel")
local policy = require("hearth.policy")

local M = {}

--- Seconds until the next start of a server that died.
---@return integer
local function seconds_left()
  local due = client.connection().due_at or 0
  return math.max(0, math.ceil((due - vim.uv.now()) / 1000))
end

--- For a statusline: `Hearth embedded`, `Hearth indexing`, `Hearth off`, `Hearth down (4 s)`, `Hearth reconnecting`.
---@return string
function M.short()
  local connection = client.connection()
  if not policy.is_on() then
    return "Hearth off"
  end
  local phase = connection.phase
  if phase == "waiting" then
    return ("Hearth down (%d s)"):format(seconds_left())
  elseif phase == "failed" or phase == "missing" then
    return "Hearth down"
  elseif phase == "refused" then
    return "Hearth refused"
  elseif phase == "off" then
    return ""
  elseif phase == "starting" then
    return launch.is_remote() and "Hearth connecting" or "Hearth starting"
  elseif not client.for_buffer(vim.api.nvim_get_current_buf()) then
    return "Hearth –"
  end
  local status = connection.status
  if not status then
    return "Hearth"
  elseif status.connected == false then
    return "Hearth reconnecting"
  elseif status.index.state ~= "ready" then
    return "Hearth " .. status.index.state
  end
  return "Hearth " .. status.engine.rung
end

--- How the model's prompts are measured, in words.
---@param engine hearth.Engine
---@return string
function M.tokens(engine)
  return engine.tokens == "counted" and "tokens are counted with the model's own tokenizer"
    or "tokens are estimated, as the model's tokenizer is not at hand: `hearth doctor` says why"
end

---@param status hearth.ServerStatus
---@param lines string[]
local function describe_server(status, lines)
  local engine = status.engine
  if status.connected == false then
    table.insert(lines, "  the connection is lost, and comes back by itself")
  end
  local about = vim.tbl_filter(function(each)
    return type(each) == "string" and each ~= ""
  end, { engine.model, engine.detail })
  table.insert(lines, ("engine: %s %s"):format(engine.rung, table.concat(about, ", ")))
  if engine.tokens ~= "" then
    table.insert(lines, "  " .. M.tokens(engine))
  end
  table.insert(lines, ("index: %s"):format(status.index.state))
  for _, each in ipairs(status.index.repositories or {}) do
    local behind = type(each.behind) == "number" and each.behind or 0
    table.insert(
      lines,
      ("  %s %s @%s: %s, %d files, %d chunks%s"):format(
        each.name,
        each.ref,
        (each.commit or ""):sub(1, 12),
        each.state,
        each.files,
        each.chunks,
        behind > 0 and (", %d commits behind"):format(behind) or ""
      )
    )
  end
end

--- All there is to say.
---@param status? hearth.ServerStatus The server's answer; what it last said by itself when nil.
---@return string[]
function M.lines(status)
  local connection = client.connection()
  local phase = connection.phase
  local lines = {
    ("server: %s%s"):format(
      phase,
      connection.detail ~= "" and (" (%s)"):format(connection.detail) or ""
    ),
  }
  if launch.is_remote() then
    table.insert(lines, ("  the team's, at %s"):format(config.current.server.url))
  end
  if phase == "waiting" then
    table.insert(
      lines,
      ("  starts again in %d s (try %d)"):format(seconds_left(), connection.deaths)
    )
  end
  local bufnr = vim.api.nvim_get_current_buf()
  local allowed, reason = policy.allows(bufnr)
  if client.for_buffer(bufnr) then
    table.insert(lines, "this buffer: on")
  else
    table.insert(lines, "this buffer: off" .. (allowed and "" or (", because %s"):format(reason)))
  end
  status = status or connection.status
  if status then
    describe_server(status, lines)
  end
  if #notices.all() > 0 then
    table.insert(lines, "messages:")
    for _, notice in ipairs(notices.all()) do
      table.insert(lines, ("  %s %s"):format(notice.time, notice.text))
    end
  end
  return lines
end

---@param lines string[]
local function show(lines)
  local shown = panel.open("status", "text", "float")
  -- What a server says of itself may have several lines.
  panel.set_lines(shown.bufnr, vim.split(table.concat(lines, "\n"), "\n", { plain = true }))
  panel.title(shown, "Hearth")
end

--- `:HearthStatus`
function M.run()
  local server = client.get()
  if not server or not server.initialized then
    show(M.lines())
    return
  end
  server:request("hearth/status", vim.empty_dict(), function(err, result)
    show(M.lines(not err and result or nil))
  end)
end

return M
