--- `:HearthExplain`: an explanation that streams into a Markdown buffer, with citations to jump to.
local client = require("hearth.client")
local config = require("hearth.config")
local errors = require("hearth.errors")
local panel = require("hearth.panel")
local policy = require("hearth.policy")
local requests = require("hearth.requests")

local M = {}

local api = vim.api

--- Milliseconds between two additions to the buffer.
local FLUSH_MS = 40

---@class (exact) hearth.ExplainArgument
---@field uri string
---@field range lsp.Range
---@field question? string
---@field show? boolean

---@class (exact) hearth.Explaining
---@field argument hearth.ExplainArgument
---@field panel hearth.Panel
---@field what string The lines that are explained.
---@field request? hearth.Request
---@field text string What has come.
---@field shown integer Bytes of it that are in the buffer.
---@field timer uv.uv_timer_t
---@field citations table<integer, hearth.Citation> By number.
---@field rows table<integer, integer> Number of the citation listed in a row, counted from 1.

---@type hearth.Explaining?
local current

---@param job hearth.Explaining
local function flush(job)
  if job.shown < #job.text then
    panel.append(job.panel.bufnr, job.text:sub(job.shown + 1))
    job.shown = #job.text
  end
end

---@param job hearth.Explaining
---@param citations hearth.Citation[]
local function list_citations(job, citations)
  if #citations == 0 then
    return
  end
  local bufnr = job.panel.bufnr
  local lines = { "", "", "---" }
  for _, each in ipairs(citations) do
    job.citations[each.number] = each
    local title = each.title ~= "" and ("`%s` "):format(each.title) or ""
    table.insert(
      lines,
      ("- [%d] %s%s:%d-%d %s%s"):format(
        each.number,
        title,
        each.path,
        each.startLine,
        each.endLine,
        each.repository,
        each.commit ~= "" and "@" .. each.commit:sub(1, 12) or ""
      )
    )
    job.rows[api.nvim_buf_line_count(bufnr) + #lines - 1] = each.number
  end
  panel.append(bufnr, table.concat(lines, "\n"))
end

---@param job hearth.Explaining
---@param state string
local function entitle(job, state)
  local question = job.argument.question
  local about = question and ("%s, %s"):format(job.what, question) or job.what
  panel.title(job.panel, ("Hearth: %s — %s"):format(about, state))
end

---@param job hearth.Explaining
---@param state string
local function finish(job, state)
  job.request = nil
  job.timer:stop()
  flush(job)
  entitle(job, state)
end

---@param job hearth.Explaining
---@param err? lsp.ResponseError
---@param result? hearth.Explanation
local function on_end(job, err, result)
  if current ~= job then
    return
  end
  if err then
    finish(job, err.code == vim.lsp.protocol.ErrorCodes.RequestCancelled and "stopped" or "failed")
    if err.code ~= vim.lsp.protocol.ErrorCodes.RequestCancelled then
      errors.notify("request_failed", "hearth.explain", err.message)
    end
    return
  end
  if result then
    if result.markdown ~= job.text and job.shown <= #job.text then
      -- Parts may be missing when the server sends none: the result has all of it.
      flush(job)
      panel.set_lines(
        job.panel.bufnr,
        vim.split(result.markdown:gsub("\r\n", "\n"), "\n", { plain = true })
      )
      job.text, job.shown = result.markdown, #result.markdown
    end
    flush(job)
    if result.endedEarly then
      panel.append(job.panel.bufnr, "\n\n**The explanation ended early.** " .. result.endedEarly)
    end
    list_citations(job, result.citations or {})
  end
  local ended = result and (result.endedEarly and "ended early" or result.engine)
  finish(job, ended or "nothing to say")
end

--- Stop the explanation that is being written; what has come stays.
function M.stop()
  local job = current
  if job and job.request then
    requests.cancel(job.request)
    finish(job, "stopped")
  end
end

--- The citation under the cursor: `[3]` in the text, or a line of the list.
---@return hearth.Citation?
local function citation_here()
  if not current then
    return nil
  end
  local position = api.nvim_win_get_cursor(0)
  local line, col = api.nvim_get_current_line(), position[2] + 1
  local nearest, distance ---@type integer?, integer?
  for first, number, stop in line:gmatch("()%[(%d+)%]()") do
    local away = col < first and first - col or col >= stop and col - stop + 1 or 0
    if not distance or away < distance then
      nearest, distance = tonumber(number), away
    end
  end
  local number = current.rows[position[1]] or nearest
  return number and current.citations[number] or nil
end

--- Ask something more about the code that is explained.
---@param question string Asked for when it is empty.
local function ask(question)
  local job = current
  if job and question ~= "" then
    M.run(vim.tbl_extend("force", job.argument, { question = question }))
  elseif job then
    vim.ui.input({ prompt = ("Ask about %s: "):format(job.what) }, function(entered)
      if current == job and entered and entered ~= "" then
        ask(entered)
      end
    end)
  end
end

---@param bufnr integer
local function map_keys(bufnr)
  panel.map_places(bufnr, citation_here)
  vim.keymap.set("n", "<C-c>", M.stop, { buffer = bufnr, desc = "Hearth: stop the explanation" })
  vim.keymap.set("n", "a", function()
    ask("")
  end, { buffer = bufnr, desc = "Hearth: ask about the same code" })
  api.nvim_create_autocmd("BufWinLeave", {
    group = api.nvim_create_augroup("hearth.explanation", { clear = true }),
    buffer = bufnr,
    desc = "Nobody reads what is written into a closed window",
    callback = M.stop,
  })
end

--- Go on when the server knows the buffer, which it may soon; say why when it does not.
---@param bufnr integer
---@param work fun()
local function when_known(bufnr, work)
  local allowed, reason = policy.allows(bufnr)
  if client.for_buffer(bufnr) then
    work()
  elseif not allowed then
    errors.notify("nothing_to_explain", reason)
  else
    if client.connection().phase == "starting" then
      errors.notify("not_yet")
    end
    client.with_server(function()
      client.sync_buffer(bufnr)
      if client.for_buffer(bufnr) then
        work()
      end
    end)
  end
end

--- Explain a place of a document.
---@param argument hearth.ExplainArgument
function M.run(argument)
  M.stop()
  local source = vim.uri_to_bufnr(argument.uri)
  local server = client.for_buffer(source)
  if not server then
    when_known(source, function()
      M.run(argument)
    end)
    return
  end
  local first, last = argument.range.start.line + 1, argument.range["end"].line + 1
  local what = ("%s:%d%s"):format(
    vim.fs.basename(api.nvim_buf_get_name(source)),
    first,
    last > first and ("-%d"):format(last) or ""
  )
  local shown = panel.open("explanation", "markdown", config.current.explain.view)
  pcall(vim.treesitter.start, shown.bufnr, "markdown")
  map_keys(shown.bufnr)
  ---@type hearth.Explaining
  local job = {
    argument = argument,
    panel = shown,
    what = what,
    text = "",
    shown = 0,
    timer = current and current.timer or assert(vim.uv.new_timer()),
    citations = {},
    rows = {},
  }
  current = job
  entitle(job, "writing (<C-c> stops)")
  job.request = requests.stream(
    server,
    "workspace/executeCommand",
    {
      command = "hearth.explain",
      arguments = { argument },
    },
    source,
    function(value)
      if current == job and type(value) == "table" and type(value.delta) == "string" then
        job.text = job.text .. value.delta
        if not job.timer:is_active() then
          job.timer:start(
            FLUSH_MS,
            0,
            vim.schedule_wrap(function()
              flush(job)
            end)
          )
        end
      end
    end,
    function(err, result)
      on_end(job, err, result)
    end
  )
end

--- Explain lines of the current buffer, or the symbol at the cursor. In an explanation, ask more about the same code.
---@param range? {first: integer, last: integer} 1-based, inclusive.
---@param question? string
function M.here(range, question)
  local bufnr = api.nvim_get_current_buf()
  if current and current.panel.bufnr == bufnr then
    ask(question or "")
    return
  end
  local cursor = api.nvim_win_get_cursor(0)
  local first = range and range.first or cursor[1]
  local last = range and range.last or cursor[1]
  local line = api.nvim_buf_get_lines(bufnr, last - 1, last, true)[1]
  when_known(bufnr, function()
    local encoding = assert(client.for_buffer(bufnr)).offset_encoding
    local column = vim.str_utfindex(line, encoding, range and #line or cursor[2], false)
    local stop = { line = last - 1, character = column }
    M.run({
      uri = vim.uri_from_bufnr(bufnr),
      range = { start = range and { line = first - 1, character = 0 } or stop, ["end"] = stop },
      question = question ~= "" and question or nil,
    })
  end)
end

return M
