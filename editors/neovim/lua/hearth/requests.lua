--- Requests whose result comes in parts.
local M = {}

---@type table<string|integer, fun(value: any)> Receivers of partial results by token.
local receivers = {}
local next_token = 0

---@class (exact) hearth.Request
---@field id? integer
---@field client_id integer
---@field token string
---@field done boolean
---@field settle fun(err: lsp.ResponseError?, result: any)

---@type table<integer, hearth.Request> Requests without an answer, by id.
local open = {}

--- Send a request whose result may come in parts. `finish` is called exactly once, unless the request is cancelled here.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param bufnr integer
---@param receive fun(value: any)
---@param finish fun(err: lsp.ResponseError?, result: any)
---@return hearth.Request?
function M.stream(client, method, params, bufnr, receive, finish)
  next_token = next_token + 1
  local token = ("hearth-%d"):format(next_token)
  params.partialResultToken = token
  ---@type hearth.Request
  local request
  request = {
    client_id = client.id,
    token = token,
    done = false,
    settle = function(err, result)
      if not request.done then
        request.done = true
        receivers[token] = nil
        finish(err, result)
      end
    end,
  }
  receivers[token] = receive
  local sent, id = client:request(method, params, request.settle, bufnr)
  if not sent or not id then
    receivers[token] = nil
    return nil
  end
  request.id = id
  -- vim.lsp calls no handler for an answer of RequestCancelled; the end of the request is all there is to see.
  open[id] = request
  return request
end

--- Tell the server to stop, and hear no more of the request.
---@param request hearth.Request
function M.cancel(request)
  if request.done then
    return
  end
  request.done = true
  receivers[request.token] = nil
  local client = vim.lsp.get_client_by_id(request.client_id)
  if client and request.id then
    open[request.id] = nil
    client:cancel_request(request.id)
  end
end

--- Hand a part to the request that it is for. False when it is for none.
---@param params lsp.ProgressParams
---@return boolean
function M.receive(params)
  local receiver = receivers[params.token]
  if receiver then
    receiver(params.value)
  end
  return receiver ~= nil
end

--- The server is gone: nothing more will come of any request.
function M.forget()
  local left = open
  open, receivers = {}, {}
  for _, request in pairs(left) do
    request.settle({
      code = vim.lsp.protocol.ErrorCodes.RequestFailed or -32803,
      message = "the server is gone",
    })
  end
end

---@param group integer
function M.setup(group)
  vim.api.nvim_create_autocmd("LspRequest", {
    group = group,
    callback = function(event)
      local request = open[event.data.request_id]
      if
        not request
        or event.data.client_id ~= request.client_id
        or event.data.request.type ~= "complete"
      then
        return
      end
      open[event.data.request_id] = nil
      -- The handler of a real answer runs before this and settles the request.
      vim.defer_fn(function()
        request.settle({
          code = vim.lsp.protocol.ErrorCodes.RequestCancelled,
          message = "cancelled",
        })
      end, 20)
    end,
  })
end

return M
