"""Prompts of completions: the right layout, within the budget, stable while typing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.prompt import Budget, FimFormat, FormatRegistry, estimate_tokens, render
from server.types import CompletionRequest, Snippet, SnippetReason

REGISTRY = FormatRegistry.built_in()
QWEN = REGISTRY.find("Qwen2.5-Coder-7B")
EVERY = pytest.mark.parametrize("fim", REGISTRY.all(), ids=lambda fim: fim.name)


def snippet(path: str, text: str, score: float = 1.0, repository: str = "shop") -> Snippet:
    return Snippet(repository, path, "c0ffee", 1, 2, "python", text, score, SnippetReason.LEXICAL)


REQUEST = CompletionRequest(
    path="shop/cart.py",
    language="python",
    prefix="def total(cart):\n    return ",
    suffix="\n\nprint(total({}))\n",
    repository="shop",
    snippets=(snippet("shop/tax.py", "RATE = 0.2\n"), snippet("go/money.go", "type Money int", repository="billing")),
    max_tokens=64,
    multiline=True,
)


def test_qwen_with_several_files() -> None:
    assert render(REQUEST, QWEN, Budget()).text == (
        "<|repo_name|>shop\n"
        "<|file_sep|>shop/tax.py\nRATE = 0.2\n"
        "<|file_sep|>billing/go/money.go\ntype Money int\n"
        "<|file_sep|>shop/cart.py\n"
        "<|fim_prefix|>def total(cart):\n    return <|fim_suffix|>\n\nprint(total({}))\n<|fim_middle|>"
    )


def test_codestral_with_the_suffix_first_and_files_in_the_prefix() -> None:
    assert render(REQUEST, REGISTRY.find("codestral"), Budget()).text == (
        "[SUFFIX]\n\nprint(total({}))\n"
        "[PREFIX]+++++ shop/tax.py\nRATE = 0.2\n"
        "+++++ billing/go/money.go\ntype Money int\n"
        "+++++ shop/cart.py\ndef total(cart):\n    return "
    )


def test_mellum_with_other_files_before_the_suffix() -> None:
    assert render(REQUEST, REGISTRY.find("mellum-4b"), Budget()).text == (
        "<filename>shop/tax.py\nRATE = 0.2\n<filename>billing/go/money.go\ntype Money int\n<filename>shop/cart.py\n"
        "<fim_suffix>\n\nprint(total({}))\n<fim_prefix>def total(cart):\n    return <fim_middle>"
    )


def test_a_family_that_knows_one_file_gets_one() -> None:
    text = render(REQUEST, REGISTRY.find("codellama-7b"), Budget()).text
    assert text == "<PRE> def total(cart):\n    return  <SUF>\n\nprint(total({}))\n <MID>"


def test_one_line_stops_at_its_end() -> None:
    assert render(replace(REQUEST, multiline=False), QWEN, Budget()).stop[0] == "\n"
    assert "\n" not in render(REQUEST, QWEN, Budget()).stop


@EVERY
def test_markers_in_code_paths_and_snippets_are_harmless(fim: FimFormat) -> None:
    everything = "".join(fim.markers)
    hostile = replace(
        REQUEST,
        path=f"a{everything}.py",
        repository=everything,
        prefix=everything,
        suffix=everything,
        snippets=(snippet(everything, everything),),
    )
    tame = replace(REQUEST, snippets=(snippet("a", "b"),))

    def counts(request: CompletionRequest) -> list[int]:
        text = render(request, fim, Budget()).text
        return [text.count(marker) for marker in fim.markers]

    assert counts(hostile) == counts(tame)


@EVERY
@settings(max_examples=40, deadline=None)
@given(
    prefix=st.text("ab{}\n\u00e9\u6f22", max_size=200).map(lambda text: text * 10),
    suffix=st.text("ab\n", max_size=50).map(lambda text: text * 40),
    sizes=st.lists(st.integers(1, 800), max_size=6),
    context=st.integers(256, 2000),
)
def test_no_prompt_is_larger_than_its_budget(
    fim: FimFormat, prefix: str, suffix: str, sizes: list[int], context: int
) -> None:
    snippets = tuple(snippet(f"{number}.py", "x" * size, float(number)) for number, size in enumerate(sizes))
    request = replace(REQUEST, prefix=prefix, suffix=suffix, snippets=snippets, max_tokens=32)
    prompt = render(request, fim, Budget(context=context))
    assert estimate_tokens(prompt.text) <= context - 32
    assert len(prompt.stop) <= 4
    if prompt.dropped_snippets == 0 and fim.file:
        assert all(item.text in prompt.text for item in snippets)
    # What stands right before the cursor is never lost.
    assert prefix[-10:] in prompt.text


def test_the_least_relevant_snippets_go_first_and_the_order_stays() -> None:
    snippets = tuple(snippet(f"{name}.py", name * 900, score) for name, score in (("a", 2.0), ("b", 1.0), ("c", 3.0)))
    prompt = render(replace(REQUEST, snippets=snippets), QWEN, Budget(snippets=700))
    assert prompt.dropped_snippets == 1
    assert prompt.text.index("a.py") < prompt.text.index("c.py")
    assert "b.py" not in prompt.text


def test_typing_moves_only_the_end_of_a_long_prompt() -> None:
    lines = "".join(f"value_{number} = {number}\n" for number in range(3000))
    before = render(replace(REQUEST, prefix=lines, suffix=""), QWEN, Budget(context=2048)).text
    after = render(replace(REQUEST, prefix=lines + "x = 1\ny = 2\nz", suffix=""), QWEN, Budget(context=2048)).text
    shared = next(number for number, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    assert shared >= len(before) - len("<|fim_suffix|><|fim_middle|>")


def test_a_long_prefix_starts_at_a_line() -> None:
    lines = "".join(f"line number {number}\n" for number in range(2000))
    text = render(replace(REQUEST, prefix=lines, suffix="", snippets=()), QWEN, Budget(context=1024)).text
    body = text.partition("<|fim_prefix|>")[2]
    assert body.startswith("line number ")
    assert body.partition("<|fim_suffix|>")[0].endswith("line number 1999\n")


def test_one_endless_line_keeps_its_end() -> None:
    text = render(
        replace(REQUEST, prefix="\u6f22" * 50_000 + "end", suffix="", snippets=()), QWEN, Budget(context=512)
    ).text
    assert "end<|fim_suffix|>" in text
