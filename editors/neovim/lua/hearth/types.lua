---@meta
--- Values that travel between the plugin and the server, as docs/protocol.md lists them.

---@class (exact) hearth.Engine
---@field rung "vllm"|"embedded"|"quiet" Which engine answers now.
---@field detail string
---@field model string
---@field tokens ""|"counted"|"estimated" Whether prompts for the model are measured with its own tokenizer.

---@class (exact) hearth.RepositoryStatus
---@field name string
---@field ref string
---@field commit string
---@field state string
---@field files integer
---@field chunks integer
---@field behind? integer Commits that the index lags behind.

---@class (exact) hearth.IndexStatus
---@field state "ready"|"indexing"|"empty"|"failed"
---@field repositories hearth.RepositoryStatus[]

--- The value of `hearth/status`.
---@class (exact) hearth.ServerStatus
---@field engine hearth.Engine
---@field index hearth.IndexStatus
---@field connected? false While the team's server is away; said by `hearth connect`.

---@class (exact) hearth.InlineCompletionItem
---@field insertText string
---@field range? lsp.Range
---@field command? lsp.Command

---@class (exact) hearth.Citation
---@field number integer
---@field repository string
---@field path string
---@field startLine integer 1-based, inclusive.
---@field endLine integer 1-based, inclusive.
---@field commit string
---@field title string
---@field uri? string Present when the file is in an open workspace folder.

---@class (exact) hearth.Explanation
---@field markdown string
---@field engine string
---@field endedEarly? string Why it is not all that was to be said, in a sentence.
---@field citations hearth.Citation[]

---@class (exact) hearth.SearchHit
---@field repository string
---@field path string
---@field startLine integer 1-based, inclusive.
---@field endLine integer 1-based, inclusive.
---@field commit string
---@field symbol string
---@field language string
---@field score number
---@field text string
---@field uri? string

--- The answer to `hearth/file`.
---@class (exact) hearth.IndexedFile
---@field text string
---@field language string
---@field commit string What the index has it from.

---@class (exact) hearth.WhySnippet
---@field repository string
---@field path string
---@field commit string
---@field startLine integer
---@field endLine integer
---@field score number
---@field reason string

---@class (exact) hearth.WhyDropped
---@field repository string
---@field path string
---@field reason string

---@class (exact) hearth.Why
---@field requestId string Names the request in the logs of Hearth and of the model server.
---@field engine string
---@field model string
---@field source string Where the engine found the text; empty when it wrote it.
---@field confidence? number Probability that the text is exactly right.
---@field reuse ""|"recycled"|"cached"
---@field snippets hearth.WhySnippet[]
---@field dropped hearth.WhyDropped[]
---@field stages table<string, number> Milliseconds by stage.
