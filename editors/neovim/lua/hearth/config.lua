--- Every setting once: its default, its validation and its one-line meaning stand side by side.
--- The help file lists the same settings; a test keeps the two in agreement.
local M = {}

---@class (exact) hearth.Keymaps
---@field accept string|false
---@field accept_word string|false
---@field accept_line string|false
---@field next string|false
---@field previous string|false
---@field dismiss string|false
---@field trigger string|false

---@class (exact) hearth.ExplainConfig
---@field view "split"|"vsplit"|"float"
---@field size number

--- The team's server, when there is one.
---@class (exact) hearth.ServerConfig
---@field url string|false
---@field cmd string[]
---@field token_file string|false
---@field token_command string[]|false
---@field token_env string
---@field ca_file string|false

---@class (exact) hearth.Config
---@field cmd string[]
---@field cmd_env table<string, string>
---@field server hearth.ServerConfig
---@field data string|false
---@field config_file string|false
---@field auto_index boolean
---@field enabled boolean
---@field auto_trigger boolean
---@field debounce_ms integer
---@field redraw_ms integer
---@field max_lines integer
---@field max_file_bytes integer
---@field hide_with_menu boolean
---@field hide_with_snippet boolean
---@field filetypes table<string, boolean>
---@field secret_files string[]
---@field telemetry boolean
---@field keymaps hearth.Keymaps
---@field explain hearth.ExplainConfig

---@class (exact) hearth.Setting
---@field default any
---@field doc string
---@field check fun(value: any): boolean, string? Whether the value will do, and what is wanted instead.

---@param name type
---@return fun(value: any): boolean, string?
local function is(name)
  return function(value)
    return type(value) == name, "a " .. name
  end
end

---@param least number
---@param most number
---@param whole? boolean
---@return fun(value: any): boolean, string?
local function between(least, most, whole)
  return function(value)
    return type(value) == "number"
      and value >= least
      and value <= most
      and (not whole or value % 1 == 0),
      ("a%s number from %s to %s"):format(whole and " whole" or "", least, most)
  end
end

---@param value any
---@return boolean, string
local function text_or_false(value)
  return value == false or (type(value) == "string" and value ~= ""), "a string, or false"
end

---@param value any
---@return boolean, string
local function strings(value)
  local good = vim.islist(value)
  for _, element in ipairs(good and value or {}) do
    good = good and type(element) == "string"
  end
  return good, "a list of strings"
end

---@param value any
---@return boolean, string
local function command(value)
  return strings(value) and #value > 0, "a list of strings: the program and its arguments"
end

---@param value any
---@return boolean, string
local function command_or_false(value)
  return value == false or command(value), "a list of strings, or false"
end

---@param value any
---@return boolean, string
local function url_or_false(value)
  return value == false or (type(value) == "string" and value:match("^https?://[^/]") ~= nil),
    "an address such as https://hearth.example.com, or false"
end

---@param value any
---@return boolean, string
local function variable(value)
  return type(value) == "string" and value:match("^[%a_][%w_]*$") ~= nil,
    "the name of an environment variable"
end

---@param element type
---@return fun(value: any): boolean, string?
local function map_of(element)
  return function(value)
    local good = type(value) == "table"
    for key, each in pairs(good and value or {}) do
      good = good and type(key) == "string" and type(each) == element
    end
    return good, ("a table from string to %s"):format(element)
  end
end

---@param default any
---@param check fun(value: any): boolean, string?
---@param doc string
---@return hearth.Setting
local function setting(default, check, doc)
  return { default = default, check = check, doc = doc }
end

--- Keyed by the dotted name of the setting.
---@type table<string, hearth.Setting>
M.settings = {
  cmd = setting({ "hearth", "lsp" }, command, "The program that speaks LSP on its stdio."),
  cmd_env = setting({}, map_of("string"), "Environment variables for the server."),
  ["server.url"] = setting(
    false,
    url_or_false,
    "Address of your team's server; false starts `cmd` on this machine."
  ),
  ["server.cmd"] = setting(
    { "hearth", "connect" },
    command,
    "The program that carries the protocol there; address and options are added."
  ),
  ["server.token_file"] = setting(false, text_or_false, "File that holds your token."),
  ["server.token_command"] = setting(
    false,
    command_or_false,
    "Command that prints your token, such as a password manager's."
  ),
  ["server.token_env"] = setting(
    "HEARTH_TOKEN",
    variable,
    "Environment variable that holds your token when neither of these is given."
  ),
  ["server.ca_file"] = setting(
    false,
    text_or_false,
    "Certificates (PEM) to trust besides those of the system."
  ),
  data = setting(false, text_or_false, "The server's data directory; false: its own default."),
  config_file = setting(false, text_or_false, "The server's hearth.toml; false: its own default."),
  auto_index = setting(
    true,
    is("boolean"),
    "Whether the server indexes the repositories you open."
  ),
  enabled = setting(true, is("boolean"), "Whether Hearth is on when Neovim starts."),
  auto_trigger = setting(true, is("boolean"), "Whether typing asks for suggestions by itself."),
  debounce_ms = setting(
    30,
    between(0, 5000, true),
    "Milliseconds without a key before a suggestion is asked for."
  ),
  redraw_ms = setting(
    40,
    between(0, 1000, true),
    "Milliseconds at least between two redraws of a growing suggestion."
  ),
  max_lines = setting(30, between(1, 1000, true), "Lines of a suggestion that are drawn at most."),
  max_file_bytes = setting(
    5000000,
    between(1, 1e9, true),
    "Files larger than this are not shown to the server."
  ),
  hide_with_menu = setting(
    true,
    is("boolean"),
    "Whether ghost text hides while a completion menu is open."
  ),
  hide_with_snippet = setting(
    true,
    is("boolean"),
    "Whether ghost text hides while a snippet has places left to jump to."
  ),
  filetypes = setting(
    { ["*"] = true, gitrebase = false, help = false, qf = false },
    map_of("boolean"),
    'Filetypes that Hearth serves; "*" stands for those not named.'
  ),
  secret_files = setting({
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.gpg",
    "*.asc",
    "*.age",
    "*.tfvars",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    "credentials",
    "credentials.*",
    "secrets.*",
    "*.secret",
    "*.secrets",
    "**/.ssh/**",
    "**/.aws/**",
    "**/.gnupg/**",
  }, strings, "Globs, any case, of files whose text is never sent to the server."),
  telemetry = setting(
    true,
    is("boolean"),
    "Whether your own server is told which suggestions were shown, taken and refused (never text)."
  ),
  ["keymaps.accept"] = setting("<Tab>", text_or_false, "Takes the whole suggestion."),
  ["keymaps.accept_word"] = setting("<C-Right>", text_or_false, "Takes its next word."),
  ["keymaps.accept_line"] = setting("<C-l>", text_or_false, "Takes the rest of its line."),
  ["keymaps.next"] = setting("<M-]>", text_or_false, "Shows the next alternative."),
  ["keymaps.previous"] = setting("<M-[>", text_or_false, "Shows the previous alternative."),
  ["keymaps.dismiss"] = setting("<C-]>", text_or_false, "Hides the suggestion."),
  ["keymaps.trigger"] = setting("<M-\\>", text_or_false, "Asks for a suggestion now."),
  ["explain.view"] = setting("vsplit", function(value)
    return vim.list_contains({ "split", "vsplit", "float" }, value), '"split", "vsplit" or "float"'
  end, "Where an explanation opens."),
  ["explain.size"] = setting(
    0.4,
    between(0.1, 0.95),
    "The share of the screen that an explanation takes."
  ),
}

--- Sections of the configuration, so that a misspelt one is told from a table of values.
local SECTIONS = { keymaps = true, explain = true, server = true }

---@return hearth.Config
function M.defaults()
  local config = {}
  for name, each in pairs(M.settings) do
    local section, key = name:match("^(%w+)%.(.+)$")
    if section then
      config[section] = config[section] or {}
      config[section][key] = vim.deepcopy(each.default)
    else
      config[name] = vim.deepcopy(each.default)
    end
  end
  return config
end

--- What the plugin works with now.
---@type hearth.Config
M.current = M.defaults()

---@param given table
---@param problems string[]
---@param prefix string
---@param into table
local function merge(given, problems, prefix, into)
  for key, value in pairs(given) do
    local name = prefix .. tostring(key)
    local known = M.settings[name]
    if prefix == "" and SECTIONS[key] then
      if type(value) == "table" then
        merge(value, problems, key .. ".", into[key])
      else
        table.insert(problems, ("`%s` must be a table"):format(name))
      end
    elseif not known then
      table.insert(problems, ("`%s` is not a setting"):format(name))
    else
      local good, wanted = known.check(value)
      if not good then
        table.insert(
          problems,
          ("`%s` must be %s, not %s"):format(
            name,
            wanted,
            vim.inspect(value, { newline = " ", indent = "" })
          )
        )
      elseif name == "filetypes" or name == "cmd_env" then
        -- These two are maps that a user adds to; all other tables are replaced as a whole.
        into[key] = vim.tbl_extend("force", into[key], value)
      else
        into[key] = vim.deepcopy(value)
      end
    end
  end
end

--- Take the user's settings over the defaults. A wrong one keeps its default and is reported.
---@param given? table
---@return hearth.Config config, string[] problems
function M.apply(given)
  local problems = {}
  local config = M.defaults()
  merge(given or {}, problems, "", config)
  if config.server.token_file and config.server.token_command then
    config.server.token_file = false
    table.insert(problems, "give `server.token_file` or `server.token_command`, not both")
  end
  table.sort(problems)
  M.current = config
  return config, problems
end

return M
