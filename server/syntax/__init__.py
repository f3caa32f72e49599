"""The surface of source text, for every language alike: tokens, names and how they are used, declarations.

Not a parser: it answers in microseconds on text that is being typed and need not be valid. Trees, symbols and imports
come from :func:`indexer.api.parse_source`.
"""

from server.syntax.declarations import Parameter, parameters, return_type
from server.syntax.lexing import Token, TokenKind, keywords, lex, lex_lines
from server.syntax.names import NameUse, UseShape, bound_names, name_at, name_uses

__all__ = [
    "NameUse",
    "Parameter",
    "Token",
    "TokenKind",
    "UseShape",
    "bound_names",
    "keywords",
    "lex",
    "lex_lines",
    "name_at",
    "name_uses",
    "parameters",
    "return_type",
]
