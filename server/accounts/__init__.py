"""Who may use the team server: users, their tokens, and which groups may read which repositories."""

from server.accounts.reader import AccountsReader
from server.accounts.store import Accounts
from server.accounts.tokens import TokenKind, TokenScope
from server.accounts.values import Directory, Token

__all__ = ["Accounts", "AccountsReader", "Directory", "Token", "TokenKind", "TokenScope"]
