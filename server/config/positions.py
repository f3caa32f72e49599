"""Where each key of a TOML document stands: ``tomllib`` tells values, not places.

The scanner only has to be right for documents that ``tomllib`` has already accepted, so it recognises strings,
comments, brackets and dots and leaves everything else alone.
"""

from __future__ import annotations

import re
import tomllib

KeyPath = tuple[str | int, ...]
"""Keys from the top; an integer counts the tables of an array of tables, or the items of an array, from 0."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_BLANK = re.compile(r"[ \t\r\n]+|#[^\n]*")
_SPACE = re.compile(r"[ \t]+")
_SCALAR = re.compile(r"[^\s,\]}#]+(?: \d\d:[0-9:.+\-Zz]+)?")


def key_lines(document: str) -> dict[KeyPath, int]:
    """Map the path of every key and table of a valid TOML ``document`` to its line, counted from 1."""
    return _Scanner(document).scan()


class _Scanner:
    def __init__(self, document: str) -> None:
        self._text = document
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        path = self._resolve(self._dotted_key(), is_array=is_array)
        self._note(path, line)
        self._at += 2 if is_array else 1
        return path

    def _resolve(self, keys: list[str], *, is_array: bool) -> KeyPath:
        """Insert the index of the current table wherever the path goes through an array of tables."""
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            if is_array and position == len(keys) - 1:
                index = self._array_lengths.get(path, 0)
                self._array_lengths[path] = index + 1
                self._lines.setdefault(path, self._line())
                path = (*path, index)
            elif path in self._array_lengths:
                path = (*path, self._array_lengths[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = (*table, *self._dotted_key())
        self._note(path, line)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = match.end() if match else len(self._text)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._more("]"):
            item = (*path, index)
            self._note(item, self._line())
            self._value(item)
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._more("}"):
            self._pair(path)

    def _more(self, closing: str) -> bool:
        """Step over blanks and commas; step over ``closing`` and return False when it comes next."""
        self._skip(_BLANK)
        while self._at < len(self._text) and self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._at >= len(self._text):
            return False
        if self._text[self._at] == closing:
            self._at += 1
            return False
        return True

    def _dotted_key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            self._skip(_SPACE)
            if self._at >= len(self._text) or self._text[self._at] != ".":
                return keys
            self._at += 1

    def _key(self) -> str:
        match = _BARE_KEY.match(self._text, self._at)
        if match:
            self._at = match.end()
            return match.group()
        match = _STRING.match(self._text, self._at)
        if not match:
            # Not reached for documents that tomllib accepts; moving on keeps the scanner finite for all others.
            self._at += 1
            return ""
        self._at = match.end()
        quoted = match.group()
        return str(tomllib.loads(f"key = {quoted}")["key"])

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path)):
            self._lines.setdefault(path[:length], line)
        self._lines[path] = line

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        while match := pattern.match(self._text, self._at):
            self._at = match.end()
