"""The benchmark of prompts measures what it says."""

from __future__ import annotations

from benchmarks.prompt import FORMATS, measure, trained
from benchmarks.typing import Session
from server.prompt import Budget, FormatRegistry
from server.prompt.tokens import TokenCodec


def test_every_key_is_measured_and_families_with_the_suffix_first_keep_their_front() -> None:
    before = "".join(f"value_{number} = {number}\n" for number in range(100))
    session = Session("a.py", "python", before, "total = 1", "\nprint(total)\n", (0.1,) * 9)
    kept = {}
    for name in FORMATS:
        fim = FormatRegistry.built_in().find(name)
        tally = measure([session], fim, TokenCodec(trained([session], fim), fim), Budget(context=2048))
        assert (len(tally.first_s), len(tally.key_s)) == (1, 9)
        kept[name] = tally.kept_tokens / tally.tokens
    assert kept["mellum"] > 0.98
    assert kept["codestral"] > 0.98
    assert 0.5 < kept["qwen2.5-coder"] < 1.0
