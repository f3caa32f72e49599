"""Which lines open what goes on below them: a block, or a string, comment or command that is not at its end."""

from __future__ import annotations

import re

_OPENERS = (":", "{", "(", "[", "=>", "->")
_OPENING_WORDS = frozenset({"do", "then", "else", "begin"})
_OPENING_LINES = {
    "bash": re.compile(r"\s*case\s.*\sin$"),
    "lua": re.compile(r".*\bfunction\b[^()]*\([^()]*\)$"),
    "ruby": re.compile(
        r"(?!.*(?:(?<![:.\w])end$|;))\s*+(?:(?:class|module|if|elsif|unless|while|until|case|when|rescue|ensure)\b"
        r"|def\s(?!\s*[\w.?!]+(?:\([^()]*\))?\s=\s)|.*\bdo\s*\|[^|]*\|$)"
    ),
    "yaml": re.compile(r".*(?:[:-]\s+)[|>][+-]?\d?$"),
}
"""What else opens a block in a language, beside what does so in most."""
_CASE_ARM = re.compile(r"\s*+\(?[^()#=]+\)$")
_COMMENT = re.compile(r"\s(?:#|//)")
_LONGEST = 1_000
"""Characters of a line that is read as a whole; longer ones are data, and would take long."""
_UNENDED = ("\\", "/*", "/**", "<!--")
_QUOTES = ('"""', "'''", "`")


def opens_block(line: str, language: str) -> bool:
    """Whether what follows ``line`` belongs to a block that it opens."""
    code = line.rstrip()
    if _opens(code, language):
        return True
    # What looks like a comment before the last quote may be in a text.
    comment = _COMMENT.search(code, 1 + max(code.rfind(quote) for quote in "\"'`"))
    return comment is not None and _opens(code[: comment.start()].rstrip(), language)


def goes_on_below(line: str, language: str) -> bool:
    """Whether ``line`` cannot be the last one of what it is: it opens a block, or leaves something open at its end."""
    code = line.rstrip()
    if opens_block(code, language) or code.endswith(_UNENDED):
        return True
    if any(code.endswith(quote) and code.count(quote) % 2 for quote in _QUOTES):
        return not code.endswith("``")
    return language == "bash" and len(code) <= _LONGEST and _CASE_ARM.match(code) is not None


def _opens(code: str, language: str) -> bool:
    if not code:
        return False
    if code.endswith(_OPENERS) or code.rsplit(None, 1)[-1] in _OPENING_WORDS:
        return True
    more = _OPENING_LINES.get(language)
    return more is not None and len(code) <= _LONGEST and more.match(code) is not None
