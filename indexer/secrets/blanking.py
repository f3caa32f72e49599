"""The same text without its secrets, every character in its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from indexer.secrets.scanner import Finding

MASK = "*"
_SHOWN = re.compile(r"[^\s\"'`\\]")
_MARKS = re.compile(r"-----[A-Z0-9 ]+-----")
"""What stands around a private key, and tells nothing."""
_SHOWN_SHARE = 4
_MOST_SHOWN = 64


def blank(text: str, findings: Sequence[Finding]) -> str:
    r"""Replace every character of the findings that are not allowed with an asterisk.

    White space, quotes and backslashes stay, so that lines, columns and the strings of a program end where they did.
    """
    parts: list[str] = []
    position = 0
    for finding in findings:
        if finding.allowed:
            continue
        parts += (text[position : finding.start], _SHOWN.sub(MASK, text[finding.start : finding.end]))
        position = finding.end
    return "".join((*parts, text[position:])) if parts else text


def mostly_secret(text: str, findings: Sequence[Finding]) -> bool:
    """Whether ``text`` has little beside its secrets and the marks around them: less than a quarter, and one line."""
    secret = sum(finding.end - finding.start for finding in findings if not finding.allowed)
    if not secret:
        return False
    shown = len("".join(_MARKS.sub("", text).split())) - secret
    return shown * _SHOWN_SHARE < secret and shown <= _MOST_SHOWN
