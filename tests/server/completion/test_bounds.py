"""How many tokens a model may write for one suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

import server
from benchmarks.latency.timed import pieces
from server.completion import bounded
from server.config import CompletionConfig
from server.types import CompletionRequest

CONFIG = CompletionConfig(max_tokens=128, line_tokens=48)
LONG = '    "' + "a long line of text " * 10 + '",\n'


def bound(prefix: str, suffix: str = "\n", config: CompletionConfig = CONFIG) -> tuple[bool, int]:
    request = bounded(CompletionRequest("a.py", "python", prefix, suffix), config)
    return request.multiline, request.max_tokens


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        ("total = ", "\n", (False, 48)),
        ("total = f(", ")\n", (False, 48)),
        ("def f():\n    ", "\n", (True, 128)),
        ("def f():", "\n", (True, 128)),
        (f"[\n{LONG}    ", "]\n", (False, (len(LONG) - 1 - 4) // 2)),
        ("[\n    ", f",\n{LONG}", (False, (len(LONG) - 1 - 4) // 2)),
        (f"[\n{LONG}{LONG[:150]}", "\n", (False, 48)),
        (f"[\n{LONG * 3}".replace(",\n", ", ") + "\n    x", "\n", (False, 128)),
    ],
)
def test_a_line_gets_fewer_tokens_than_a_block(prefix: str, suffix: str, expected: tuple[bool, int]) -> None:
    assert bound(prefix, suffix) == expected


def test_a_line_never_gets_more_than_a_block() -> None:
    assert bound("total = ", config=CompletionConfig(max_tokens=16, line_tokens=48)) == (False, 16)
    assert bound("def f():\n", config=CompletionConfig(multiline=False)) == (False, 48)


def test_what_is_right_is_not_cut_short() -> None:
    """Every line of Hearth's own sources fits from its first word on."""
    places = 0
    for file in sorted(Path(server.__file__).parent.rglob("*.py")):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines):
            rest = pieces(line.rstrip("\n"))
            prefix = "".join(lines[max(0, number - 100) : number])
            suffix = "\n" + "".join(lines[number + 1 : number + 101])
            _, tokens = bound(prefix + line[: len(line) - len(line.lstrip())], suffix)
            assert len(rest) <= tokens, f"{file}:{number + 1}"
            places += 1
    assert places > 10_000
