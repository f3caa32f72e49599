"""The language server: the only part of Hearth that knows the Language Server Protocol."""
