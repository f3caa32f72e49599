--- `:HearthWhy`: what the last suggestion was made from.
local client = require("hearth.client")
local errors = require("hearth.errors")
local panel = require("hearth.panel")
local screen = require("hearth.screen")

local M = {}

---@type table<string, string>
local REUSED = {
  recycled = "Begun for an earlier key, and used again.",
  cached = "Kept from before, and used again.",
}

---@param why hearth.Why
---@return string[] lines
---@return table<integer, hearth.WhySnippet> snippets By the row that each stands in, counted from 1.
local function describe(why)
  local rows = {}
  local lines =
    { "# Why this suggestion", "", ("Engine: `%s` %s"):format(why.engine, why.model or "") }
  if (why.source or "") ~= "" then
    table.insert(lines, ("Found at: `%s`"):format(why.source))
  end
  if type(why.confidence) == "number" then
    table.insert(lines, ("Sure to: %.0f %%"):format(why.confidence * 100))
  end
  if REUSED[why.reuse] then
    table.insert(lines, REUSED[why.reuse])
  end
  vim.list_extend(lines, { ("Request: `%s`"):format(why.requestId), "", "## Used" })
  for _, each in ipairs(why.snippets or {}) do
    table.insert(
      lines,
      ("- `%s:%d-%d` %s@%s, score %.3f: %s"):format(
        each.path,
        each.startLine,
        each.endLine,
        each.repository,
        each.commit:sub(1, 12),
        each.score,
        each.reason
      )
    )
    rows[#lines] = each
  end
  if #(why.snippets or {}) == 0 then
    table.insert(lines, "- the open file alone")
  end
  if #(why.dropped or {}) > 0 then
    vim.list_extend(lines, { "", "## Left out" })
    for _, each in ipairs(why.dropped) do
      table.insert(lines, ("- `%s` %s: %s"):format(each.path, each.repository, each.reason))
    end
  end
  vim.list_extend(lines, { "", "## Time" })
  local stages = vim.tbl_keys(why.stages or {})
  table.sort(stages)
  for _, stage in ipairs(stages) do
    table.insert(lines, ("- %s: %.1f ms"):format(stage, why.stages[stage]))
  end
  return lines, rows
end

--- Show it for the suggestion that was on screen last.
function M.run()
  local id = screen.last_id
  if not id then
    errors.notify("nothing_shown")
    return
  end
  client.with_server(function(server)
    server:request("hearth/why", { id = id }, function(err, result)
      if err then
        errors.notify("request_failed", "hearth/why", err.message)
      elseif not result then
        errors.notify("forgotten")
      else
        local shown = panel.open("why", "markdown", "float")
        local lines, rows = describe(result)
        panel.set_lines(shown.bufnr, lines)
        panel.map_places(shown.bufnr, function()
          return rows[vim.api.nvim_win_get_cursor(0)[1]]
        end)
        panel.title(shown, "Hearth: why this suggestion")
      end
    end)
  end)
end

return M
