"""How well ``hearth search`` finds what people look for, measured on a repository's own history and documentation."""
