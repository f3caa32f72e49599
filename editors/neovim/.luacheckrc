std = "luajit"
-- Neovim's one global. It is written to through vim.o, vim.bo and their kind.
globals = { "vim" }
-- Formatting is stylua's matter.
max_line_length = false
-- Each file of test cases is run with this function at hand.
files["**/specs/*.lua"] = { read_globals = { "case" } }
