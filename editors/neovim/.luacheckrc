std = "luajit"
-- Neovim's one global, and the two that its users may set.
read_globals = { "vim" }
globals = { "vim.o", "vim.bo", "vim.wo", "vim.g", "vim.b" }
-- Formatting is stylua's matter.
max_line_length = false
