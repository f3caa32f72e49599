"""What a model server is asked has no secrets."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from benchmarks.secrets.planted import MAKERS, Planted, make_planted, plant
from indexer.api import Allowances
from indexer.config import AllowedSecrets, IndexConfig
from server.config import HearthConfig
from server.prompt import FormatRegistry, ModelPrompts
from server.prompt.withholding import Withholding
from server.types import (
    Citation,
    CompletionRequest,
    ExplainRequest,
    Fact,
    FactKind,
    OpenFile,
    Snippet,
    SnippetReason,
)

SEED = int.from_bytes(os.urandom(4))
MODEL = "qwen2.5-coder"
CODE = "def area(width, height):\n    return width * height\n\n\n"


def request(prefix: str, suffix: str = "", **fields: object) -> CompletionRequest:
    return CompletionRequest("a.py", "python", prefix, suffix, multiline=True, **fields)  # type: ignore[arg-type]


def snippet(text: str, path: str = "b.py", start_line: int = 1, commit: str = "") -> Snippet:
    end = start_line + text.count("\n")
    return Snippet("demo", path, commit, start_line, end, "python", text, 1.0, SnippetReason.OPEN_FILE)


def pieces(planted: Planted) -> list[str]:
    return [line for line in planted.secret.split("\n") if len(line) > 5]


def shown(asked: CompletionRequest) -> str:
    return "\n".join((asked.prefix, asked.suffix, *(item.text for item in asked.snippets)))


def withheld(where: str, rule: str) -> float:
    return REGISTRY.get_sample_value("hearth_secrets_withheld_total", {"where": where, "rule": rule}) or 0.0


def allowed(where: str, rule: str) -> float:
    return REGISTRY.get_sample_value("hearth_secrets_allowed_total", {"where": where, "rule": rule}) or 0.0


@pytest.mark.parametrize("rule", MAKERS)
def test_no_secret_is_left_in_a_request(rule: str) -> None:
    planted = make_planted(rule, SEED)
    text = f"{CODE}{planted.line}\n{CODE}"
    before = {where: withheld(where, rule) for where in ("prefix", "suffix", "snippet")}
    asked = Withholding(50_000).completion(request(f"{text}x = ", f"\n{text}", snippets=(snippet(text),)))
    assert asked is not None
    assert all(piece not in shown(asked) for piece in pieces(planted))
    assert len(asked.prefix) == len(text) + 4
    assert asked.prefix.endswith(f"{CODE}x = ")
    assert asked.prefix.startswith(CODE)
    assert asked.suffix.count("\n") == text.count("\n") + 1
    for where, count in before.items():
        assert withheld(where, rule) == count + 1


@pytest.mark.parametrize("rule", MAKERS)
def test_in_the_line_of_a_secret_nothing_is_asked(rule: str) -> None:
    planted = make_planted(rule, SEED)
    text = f"{CODE}{planted.line}\n{CODE}"
    withholding = Withholding(50_000)
    begin = text.index(planted.secret)
    for cursor in (begin, begin + 3, begin + len(planted.secret)):
        assert withholding.completion(request(text[:cursor], text[cursor:])) is None
    after = text.index("\n", begin + len(planted.secret)) + 1
    assert withholding.completion(request(text[:after] + "\n", text[after:])) is not None


def test_a_name_and_its_value_on_two_lines_are_one_secret() -> None:
    secret = make_planted("assigned-secret", SEED).secret
    withholding = Withholding(50_000)
    asked = withholding.completion(request(f'{CODE}password = \\\n    "{secret}"\nx', "\n"))
    assert asked is not None
    asked = withholding.completion(request(f"{CODE}password =", f'\n    "{secret}"\nx\n'))
    assert asked is None or secret not in shown(asked)
    asked = withholding.completion(request(f"{CODE}password =\n    ", f'"{secret}"\nx\n'))
    assert asked is None


def test_a_snippet_that_begins_inside_of_a_key_has_nothing_of_it() -> None:
    planted = make_planted("private-key", SEED)
    text = f"{CODE}{planted.line}\n{CODE}"
    first = text[: text.index(planted.secret)].count("\n") + 4
    lines = text.split("\n")[first - 1 : first + 3]
    part = snippet("\n".join(lines), start_line=first)
    asked = Withholding(50_000).completion(
        request("x", snippets=(part,), open_files=(OpenFile("b.py", "python", text),))
    )
    assert asked is not None
    [left] = asked.snippets
    assert len(left.text) == len(part.text)
    assert set(left.text) <= set("*\n")


@settings(max_examples=60)
@given(st.data())
def test_typing_shows_the_same_as_looking_at_everything(data: st.DataObject) -> None:
    planted = [one.line for one in plant(SEED % 3)]
    parts = data.draw(
        st.lists(st.sampled_from([*planted, "x = 1", "", "é🎉 = 2", "return area(", "password ="]), max_size=12)
    )
    text = "\n".join(parts) + "\n"
    withholding = Withholding(50_000)
    for cursor in sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12))):
        typed = request(text[:cursor], "\nrest = 1\n")
        asked = withholding.completion(typed)
        fresh = Withholding(50_000).completion(typed)
        assert asked == fresh
        if asked is not None:
            assert len(asked.prefix) == cursor


def test_a_secret_counts_once_in_each_prompt_however_much_is_typed_below_it() -> None:
    planted = make_planted("npm-token", SEED)
    withholding = Withholding(50_000)
    text = f"{CODE}{planted.line}\n"
    before = withheld("prefix", "npm-token")
    for number in range(1, 6):
        text += f"x{number} = 1\n"
        assert withholding.completion(request(text)) is not None
        assert withheld("prefix", "npm-token") == before + number


def test_what_is_far_above_is_left_out_and_lengths_stay() -> None:
    planted = make_planted("github-token", SEED)
    text = f"{planted.line}\n" + "value = compute(1, 2, 3)\n" * 40_000
    asked = Withholding(50_000).completion(request(f"{text}x = "))
    assert asked is not None
    assert planted.secret not in asked.prefix
    assert len(asked.prefix) == len(text) + 4
    assert asked.prefix[-50_000:] == f"{text}x = "[-50_000:]


def test_an_explanation_is_asked_without_secrets() -> None:
    planted = make_planted("assigned-secret", SEED)
    fact = Fact(FactKind.CALLER, planted.line, f"uses\n{planted.line}", Citation("demo", "b.py", 1, 2, "c"))
    asked = Withholding(50_000).explanation(
        ExplainRequest("a.py", "python", f"{CODE}{planted.line}\n", 1, 5, facts=(fact,), question=planted.line)
    )
    assert planted.secret not in repr(asked)
    assert asked.facts[0].citation == fact.citation


@pytest.mark.parametrize("rule", ["private-key", "github-token", "assigned-secret"])
def test_what_the_settings_allow_may_be_asked_where_they_allow_it(rule: str) -> None:
    planted = make_planted(rule, SEED)
    allowances = Allowances((AllowedSecrets(paths=("tests/",), rules=(rule,), repositories=("demo",)),))
    withholding = Withholding(50_000, allowances)
    text = f"{CODE}{planted.line}\n"
    here, elsewhere = snippet(text, "tests/b.py"), snippet(text, "src/b.py")

    def asked_at(path: str, repository: str = "demo", prefix: str = f"{text}x = ") -> CompletionRequest | None:
        typed = request(prefix, f"\n{text}", repository=repository, snippets=(here, elsewhere))
        return withholding.completion(replace(typed, path=path))

    before = [allowed("prefix", rule), allowed("suffix", rule), allowed("snippet", rule), withheld("snippet", rule)]
    trusted = asked_at("tests/a.py")
    assert trusted is not None
    assert (trusted.prefix, trusted.suffix) == (f"{text}x = ", f"\n{text}")
    assert trusted.snippets[0] == here
    assert all(piece not in trusted.snippets[1].text for piece in pieces(planted))
    after = [allowed("prefix", rule), allowed("suffix", rule), allowed("snippet", rule), withheld("snippet", rule)]
    assert after == [count + 1 for count in before]
    # In the line of one, too; and each prompt counts it once, however near to it what is typed next stands.
    assert asked_at("tests/a.py", prefix=f"{CODE}{planted.line}") is not None
    asked_at("tests/new.py", prefix=f"{text}y")
    counted = allowed("prefix", rule)
    assert asked_at("tests/new.py", prefix=f"{text}y = 1\nz") is not None
    assert allowed("prefix", rule) == counted + 1
    for path, repository in (("src/a.py", "demo"), ("tests/a.py", "other"), ("tests/a.py", "")):
        withheld_there = asked_at(path, repository)
        assert withheld_there is not None
        assert all(piece not in withheld_there.prefix + withheld_there.suffix for piece in pieces(planted))


def test_an_explanation_may_say_what_is_allowed_where_it_stands() -> None:
    planted = make_planted("assigned-secret", SEED)
    withholding = Withholding(50_000, Allowances((AllowedSecrets(paths=("tests/",)),)))
    facts = tuple(
        Fact(FactKind.CALLER, planted.line, planted.line, cited)
        for cited in (Citation("demo", "tests/b.py", 1, 2, "c"), Citation("demo", "src/b.py", 1, 2, "c"), None)
    )
    asked = withholding.explanation(
        ExplainRequest("tests/a.py", "python", planted.line, 1, 1, "demo", facts=facts, question=planted.line)
    )
    assert planted.secret in asked.text
    assert planted.secret not in asked.question
    assert [planted.secret in fact.title + fact.text for fact in asked.facts] == [True, False, False]


async def test_prompts_are_written_without_secrets_unless_that_is_switched_off() -> None:
    planted = make_planted("stripe-key", SEED)
    asked = request(f"{planted.line}\nx = ")
    prompts = ModelPrompts(FormatRegistry.built_in(), HearthConfig())
    assert planted.secret not in (await prompts.write(asked, MODEL)).text
    nothing = await prompts.write(request(planted.line), MODEL)
    assert (nothing.text, nothing.token_ids) == ("", ())
    trusting = ModelPrompts(FormatRegistry.built_in(), HearthConfig(index=IndexConfig(secrets=False)))
    assert planted.secret in (await trusting.write(asked, MODEL)).text


def test_a_key_costs_the_line_that_it_is_typed_into() -> None:
    text = "    total = compute(price, quantity, 'shop')  # a comment\n" * 2_000
    withholding = Withholding(50_000)
    withholding.completion(request(text, text))
    keys = 50
    began = time.process_time()
    for number in range(keys):
        withholding.completion(request(text + "x" * number, text))
    # It takes a tenth of a millisecond; looking at everything takes forty times as long.
    assert (time.process_time() - began) / keys < 0.002


def test_only_what_is_new_of_a_document_takes_time() -> None:
    withholding = Withholding(50_000)
    above, below = CODE * 200, "\n" + CODE * 200
    assert not withholding.is_quick(request(f"{above}x", below)), "all of it is new"
    withholding.completion(request(f"{above}x", below))
    assert withholding.is_quick(request(f"{above}x = ", below))
    assert withholding.is_quick(request(f"{above}x = 1\ny", below)), "a line was finished"
    assert not withholding.is_quick(request(f"{above}x", f"\n{below}")), "what stands below moved"
    assert not withholding.is_quick(request(f"{above[:-80]}x", below)), "the cursor went up"
    assert withholding.is_quick(CompletionRequest("other.py", "python", CODE, "")), "a small document"
