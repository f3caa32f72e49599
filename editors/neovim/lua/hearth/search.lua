--- `:HearthSearch`: the company's code, by meaning and by name.
local client = require("hearth.client")
local errors = require("hearth.errors")
local places = require("hearth.places")

local M = {}

local LIMIT = 30

--- What is there: the symbol, or the first line with anything in it.
---@param hit hearth.SearchHit
---@return string
local function summary(hit)
  return hit.symbol ~= "" and hit.symbol or vim.trim(hit.text:match("[^\n]*%S[^\n]*") or "")
end

---@param hit hearth.SearchHit
---@return string
local function format(hit)
  return ("%s:%d  %s  [%s]"):format(hit.path, hit.startLine, summary(hit), hit.repository)
end

---@param query string
---@param hits hearth.SearchHit[]
local function to_quickfix(query, hits)
  local entries = {}
  for _, hit in ipairs(hits) do
    table.insert(entries, {
      filename = hit.uri and vim.uri_to_fname(hit.uri) or places.indexed_name(hit),
      -- Shown in place of a name that is an address.
      module = not hit.uri and hit.path or nil,
      lnum = hit.startLine,
      end_lnum = hit.endLine,
      text = ("%s [%s]"):format(summary(hit), hit.repository),
    })
  end
  vim.fn.setqflist({}, " ", { title = "Hearth: " .. query, items = entries })
  vim.cmd("botright copen")
end

---@param query string
---@param quickfix boolean
local function search(query, quickfix)
  client.with_server(function(server)
    server:request("hearth/search", { query = query, limit = LIMIT }, function(err, result)
      local hits = result and result.hits or {}
      if err then
        errors.notify("request_failed", "hearth/search", err.message)
      elseif #hits == 0 then
        errors.notify("no_hits", query)
      elseif quickfix then
        to_quickfix(query, hits)
      else
        vim.ui.select(
          hits,
          { prompt = "Hearth: " .. query, format_item = format, kind = "hearth" },
          function(hit)
            if hit then
              places.open(hit)
            end
          end
        )
      end
    end)
  end)
end

--- Search and choose, or fill the quickfix list; ask for the query when there is none.
---@param query string
---@param quickfix boolean
function M.run(query, quickfix)
  if query ~= "" then
    search(query, quickfix)
    return
  end
  vim.ui.input({ prompt = "Search the company's code: " }, function(entered)
    if entered and entered ~= "" then
      search(entered, quickfix)
    end
  end)
end

return M
