"""The embedded engine: what it proposes from the repository and open files, and when it must not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.corpus import Corpus, CorpusFile, build_corpus
from indexer.types import Scope
from server.config import EmbeddedConfig
from server.engine.embedded import EmbeddedEngine
from server.engine.embedded.cursor import locate
from server.engine.embedded.document import Lexicon, SegmentCache
from server.engine.embedded.fit import balanced, fit_rest, imbalance, repeats
from server.engine.embedded.ranker import Ranker
from server.engine.embedded.substitution import Substitution
from server.types import Completion, CompletionRequest, Engine, ExplainRequest, OpenFile
from tests.patience import WAIT_SECONDS

CURSOR = "▮"

STORE = """import logging

from shop.errors import StoreError

logger = logging.getLogger(__name__)


class UserStore:
    def __init__(self, connection):
        self.connection = connection

    def load_user(self, user_id):
        row = self.connection.fetch_one("user", user_id)
        if row is None:
            raise StoreError("user", user_id)
        logger.debug("loaded user %s", user_id)
        return User.from_row(row)

    def delete_user(self, user_id):
        self.connection.delete("user", user_id)
        logger.debug("deleted user %s", user_id)
"""
UNFINISHED = STORE.partition("        if row is None")[0].replace("user", "order").replace("User", "Order")
SECOND = STORE.replace("User", "Order").replace("user", "order")
THIRD = STORE.replace("User", "Invoice").replace("user", "invoice")


class OneRepository:
    """A source of corpora that has one repository, ``shop``."""

    def __init__(self, directory: Path, files: Mapping[str, str]) -> None:
        listed = (CorpusFile(path, "python", text, f"blob of {text}") for path, text in files.items())
        build_corpus(listed, directory)
        self._corpus = Corpus.open(directory)
        self.asked: list[tuple[str, str]] = []

    def corpus(self, repository: str, ref: str = "") -> Corpus | None:
        self.asked.append((repository, ref))
        return self._corpus if repository == "shop" else None


@pytest.fixture
def engine(tmp_path: Path) -> EmbeddedEngine:
    return EmbeddedEngine(OneRepository(tmp_path, {"shop/orders.py": SECOND, "shop/invoices.py": THIRD}))


def at(text: str, path: str = "shop/users.py", **given_: Any) -> CompletionRequest:
    prefix, _, suffix = text.partition(CURSOR)
    return CompletionRequest(path, "python", prefix, suffix, **{"repository": "shop", **given_})


def best(engine: EmbeddedEngine, text: str, **given_: Any) -> str:
    found = engine.suggest(at(text, **given_))
    return found[0].text if found else ""


def texts(found: tuple[Completion, ...]) -> list[str]:
    return [completion.text for completion in found]


def test_a_line_of_the_repository_is_proposed_with_its_place(engine: EmbeddedEngine) -> None:
    found = engine.suggest(at("import logging\n\nfrom shop.errors import StoreError\n\n▮\n"))
    assert found[0].text == "logger = logging.getLogger(__name__)"
    assert found[0].confidence > 0.5
    assert found[0].source in {"embedded:shop/orders.py:5", "embedded:shop/invoices.py:5"}


def test_a_half_typed_word_is_finished_with_its_line(engine: EmbeddedEngine) -> None:
    text = "import logging\n\nfrom shop.errors import StoreError\n\nlogger = logging.getL▮\n"
    assert best(engine, text) == "ogger(__name__)"


def test_the_rest_follows_a_whole_word(engine: EmbeddedEngine) -> None:
    text = "import logging\n\nfrom shop.errors import StoreError\n\nlogger = logging.getLogger▮\n"
    assert best(engine, text) == "(__name__)"


def test_names_are_carried_over_from_a_similar_place(engine: EmbeddedEngine) -> None:
    text = STORE.partition("        if row is None")[0] + "        if row is None:\n            ▮\n"
    found = engine.suggest(at(text.replace("user", "group").replace("User", "Group")))
    assert 'raise StoreError("group", group_id)' in texts(found)


def test_its_own_indexed_version_is_no_evidence(tmp_path: Path) -> None:
    secret = "def first():\n    return unguessable_value(41)\n"
    source = OneRepository(tmp_path, {"shop/own.py": secret, "shop/orders.py": SECOND})
    request = at("def first():\n    return ▮\n", path="shop/own.py")
    assert not any("unguessable" in text for text in texts(EmbeddedEngine(source).suggest(request, floor=0.0)))
    elsewhere = replace(request, path="shop/other.py")
    assert any("unguessable" in text for text in texts(EmbeddedEngine(source).suggest(elsewhere, floor=0.0)))


def test_a_byte_identical_copy_of_its_indexed_version_is_no_evidence(tmp_path: Path) -> None:
    secret = "def first():\n    return unguessable_value(41)\n"
    source = OneRepository(tmp_path, {"shop/own.py": secret, "vendored/copy.py": secret})
    request = at("def first():\n    return ▮\n", path="shop/own.py")
    assert not any("unguessable" in text for text in texts(EmbeddedEngine(source).suggest(request, floor=0.0)))


def test_an_unreadable_repository_is_not_even_asked_for(tmp_path: Path) -> None:
    source = OneRepository(tmp_path, {"shop/orders.py": SECOND})
    request = at("import logging\n▮\n", scope=Scope(frozenset({"another"})))
    assert EmbeddedEngine(source).suggest(request, floor=0.0) == ()
    assert source.asked == []


def test_excluded_files_are_no_evidence(tmp_path: Path) -> None:
    source = OneRepository(tmp_path, {"shop/orders.py": "value = unguessable(1)\n"})
    request = at("value = ▮\n", scope=Scope(exclude=frozenset({("shop", "shop/orders.py")})))
    assert not any("unguessable" in text for text in texts(EmbeddedEngine(source).suggest(request, floor=0.0)))


def test_open_text_shadows_the_indexed_version(tmp_path: Path) -> None:
    source = OneRepository(tmp_path, {"shop/rates.py": "class Rates:\n    rate = stale_rate(1)\n"})
    other = OpenFile("shop/rates.py", "python", "class Rates:\n    rate = fresh_rate(2)\n")
    found = texts(EmbeddedEngine(source).suggest(at("class Rates:\n    rate = ▮\n", open_files=(other,)), floor=0.0))
    assert "fresh_rate(2)" in found
    assert not any("stale" in text for text in found)


def test_it_works_outside_of_every_repository() -> None:
    text = "for row in rows:\n    write(row.name, row.size)\nfor column in columns:\n    ▮\n"
    found = EmbeddedEngine(None).suggest(at(text, path="/tmp/a.py", repository=""), floor=0.0)
    assert "write(column.name, column.size)" in texts(found)


def test_nothing_at_all_is_no_trouble(engine: EmbeddedEngine) -> None:
    assert engine.suggest(at("", path="new.py")) is not None
    assert EmbeddedEngine(None).suggest(CompletionRequest("", "", "", "")) == ()


@pytest.mark.parametrize(
    ("text", "rest", "fitted"),
    [
        ("a, b)", "", "a, b)"),
        ("a, b)", ")", "a, b"),
        ("a, b)", "):", "a, b"),
        ("f(a)", ")", "f(a)"),
        ("f(a", ")", ""),
        ("a]", ")", ""),
        ("value, timeout=5)", ", timeout=5)", "value"),
        ("unrelated", " = other", ""),
        ("name: str", ") -> None:", "name: str"),
    ],
)
def test_a_line_fits_before_what_follows_on_it(text: str, rest: str, fitted: str) -> None:
    assert fit_rest(text, rest) == fitted


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        ("x = f(", "g(1)", "g(1))"),
        ("if f(", "a:", "a):"),
        ("x = ", "a)", "a"),
        ("foo(", "bar(", "bar("),
        ("x = {", "a", "a"),
        ("call ( ", "a ;", "a ) ;"),
    ],
)
def test_brackets_come_out_even(before: str, text: str, expected: str) -> None:
    assert balanced(before, text) == expected


def test_what_stands_below_is_not_proposed_again(engine: EmbeddedEngine) -> None:
    text = "import logging\n\nfrom shop.errors import StoreError\n\n▮\nlogger = logging.getLogger(__name__)\n"
    assert not any(text.startswith("logger = ") for text in texts(engine.suggest(at(text), floor=0.0)))
    assert repeats("  }", "\n    } else {")


def test_a_finished_line_gets_silence(engine: EmbeddedEngine) -> None:
    text = "import logging\n\nfrom shop.errors import StoreError▮\n\nlogger = 1\n"
    assert engine.propose(at(text)) is None


def test_a_closing_bracket_after_the_cursor_is_kept(engine: EmbeddedEngine) -> None:
    text = "import logging\n\nfrom shop.errors import StoreError\n\nlogger = logging.getLogger(▮)\n"
    assert best(engine, text) == "__name__"


def test_the_indentation_of_a_fresh_line_is_proposed_in_the_files_own_style(engine: EmbeddedEngine) -> None:
    assert best(engine, UNFINISHED + "▮\n") == "        if row is None:"
    assert best(engine, UNFINISHED.replace("    ", "\t") + "▮\n") == "\t\tif row is None:"


def test_several_lines_are_proposed_where_they_are_sure(engine: EmbeddedEngine) -> None:
    text = UNFINISHED + "        ▮\n"
    proposed = engine.propose(at(text, multiline=True))
    assert proposed is not None
    assert proposed.text.startswith('if row is None:\n            raise StoreError("order", order_id)')
    single = engine.propose(at(text))
    assert single is not None
    assert "\n" not in single.text
    assert engine.suggest(at(text, multiline=True))[0].text == single.text


def test_several_lines_keep_carriage_returns(engine: EmbeddedEngine) -> None:
    text = UNFINISHED + "        ▮\n"
    proposed = engine.propose(at(text.replace("\n", "\r\n"), multiline=True))
    assert proposed is not None
    assert "\n" in proposed.text
    assert proposed.text.count("\n") == proposed.text.count("\r\n")


def test_the_most_lines_are_bounded_by_the_configuration(tmp_path: Path) -> None:
    engine = EmbeddedEngine(
        OneRepository(tmp_path, {"shop/orders.py": SECOND, "shop/invoices.py": THIRD}), EmbeddedConfig(max_lines=2)
    )
    text = UNFINISHED + "        ▮\n"
    proposed = engine.propose(at(text, multiline=True))
    assert proposed is not None
    assert proposed.text.count("\n") == 1


def test_text_on_one_line_is_completed_by_statement() -> None:
    text = "int a = read ( x ) ; write ( a , out ) ; int b = read ( y ) ; write ( b , out ) ; " * 4 + "int a = read"
    found = EmbeddedEngine(None).suggest(CompletionRequest("T.java", "java", text, ""))
    assert found[0].text == " ( x ) ;"


def test_a_short_text_of_spaced_tokens_is_completed_by_statement() -> None:
    text = "package org . shop ; import org . shop . Cart ; import org . shop"
    found = EmbeddedEngine(None).suggest(CompletionRequest("T.java", "java", text, ""))
    assert found[0].text == " . Cart ;"
    assert not any("import" in completion.text for completion in found)


def test_marked_line_ends_are_line_ends() -> None:
    line = "self . log ( name ) <EOL> return name <EOL> "
    found = EmbeddedEngine(None).suggest(CompletionRequest("t.py", "python", line * 3 + "self . log (", ""))
    assert found[0].text == " name )"


@given(
    st.lists(st.sampled_from(["def f(a):", "    return a", "", "\tx = 'é'", "  ", "}"]), max_size=12),
    st.lists(st.sampled_from(["def f(a):", "    return b", "", "yy"]), max_size=4),
    st.integers(0, 12),
    st.integers(0, 12),
)
@settings(max_examples=200)
def test_mended_tokens_are_those_of_the_whole_text(lines: list[str], put: list[str], first: int, last: int) -> None:
    cache = SegmentCache(Lexicon(Corpus.empty()))
    old = "\n".join(lines)
    new = old[:first] + "\n".join(put) + old[last:]
    cache.segment(("a", "head"), old)
    mended = cache.segment(("a", "head"), new)
    whole = cache.segment(("b", "head"), new)
    assert mended.ids.tolist() == whole.ids.tolist()
    assert mended.starts.tolist() == whole.starts.tolist()
    assert mended.ends.tolist() == whole.ends.tolist()
    assert mended.stack == whole.stack


@pytest.mark.parametrize(
    ("pairs", "line", "expected"),
    [
        ([("user", "group")], "createUser(user_id, USER)", "createGroup(group_id, GROUP)"),
        ([("getUser", "getGroup")], "deleteUsers(aUser)", "deleteUsers(aGroup)"),
        ([("a", "b")], "a + c", "b + c"),
        ([("item", "lineItem")], "setItem(item)", "setLineItem(lineItem)"),
        ([("x", "x")], "x.y", "x.y"),
    ],
)
def test_substitution_follows_the_style_of_each_name(pairs: list[tuple[str, str]], line: str, expected: str) -> None:
    substitution = Substitution()
    for there, here in pairs:
        substitution.learn(there, here)
    assert substitution.apply(line)[0] == expected


def test_a_huge_file_is_looked_at_around_the_cursor_only() -> None:
    engine = EmbeddedEngine(None)
    line = "value_{0} = compute(value_{0}, limit)\n"
    prefix = "".join(line.format(number) for number in range(50_000))
    found = engine.suggest(CompletionRequest("/big.py", "python", prefix + "value_7 = compute(", "\n" + prefix))
    assert found
    cache = next(iter(engine._suggester._caches.values()))
    assert sum(len(kept[0]) for kept in cache._kept.values()) < 400_000


def test_of_a_very_long_line_the_part_around_the_cursor_is_looked_at_and_what_stands_there_is_proposed() -> None:
    said = "".join(f"var total_{number}=sum(order_{number},rate_{number});" for number in range(60_000))
    for above in ("", "var first = 1;\n"):
        request = at(f"{above}{said}var total_1=sum({CURSOR}order_1);{said}\nlast();\n", "big.js")
        assert len(request.prefix) > 2_000_000
        found = locate(request, SegmentCache(Lexicon(Corpus.empty())))
        assert len(found.stream) < 30_000
        assert found.line.endswith("rate_59999);var total_1=sum(")
        assert len(found.rest + found.below) < 30_000


@given(st.text(alphabet="ab ()\n;\r", max_size=200), st.text(alphabet="ab ()\n;\r", max_size=200))
def test_ordinary_lines_are_looked_at_as_a_whole(prefix: str, suffix: str) -> None:
    found = locate(at(prefix + CURSOR + suffix), SegmentCache(Lexicon(Corpus.empty())))
    assert found.line == prefix[prefix.rfind("\n") + 1 :]
    assert found.rest == suffix.partition("\n")[0].rstrip("\r")
    assert found.below == suffix.partition("\n")[2]


@given(st.text(alphabet="([{}])a, ", max_size=30), st.text(alphabet="([{}])a, ", max_size=30))
def test_brackets_are_counted_as_if_each_character_were_looked_at(before: str, text: str) -> None:
    closed, depth = 0, 0
    for mark in text:
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            closed, depth = (closed, depth - 1) if depth else (closed + 1, depth)
    assert imbalance(text) == (closed, depth)
    # What stands before the cursor says what is open, and is never changed or given back.
    assert set(balanced(before, "")) <= set(")] ")


def test_requests_from_many_threads_get_their_own_answers(engine: EmbeddedEngine) -> None:
    requests = [at(f"import logging\n\nlogger{n} = logging.getLogger(__name__)\nlogger{n}▮\n") for n in range(16)]
    alone = [texts(engine.suggest(request, floor=0.0)) for request in requests]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda request: texts(engine.suggest(request, floor=0.0)), requests))
    assert together == alone


def test_confidence_is_a_probability_in_descending_order(engine: EmbeddedEngine) -> None:
    found = engine.suggest(at("import logging\n\n▮\n"), floor=0.0)
    shares = [completion.confidence for completion in found]
    assert shares == sorted(shares, reverse=True)
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert all(completion.confidence >= 0.4 for completion in engine.suggest(at("import logging\n\n▮\n"), floor=0.4))


async def test_a_suggestion_is_streamed_in_parts_of_a_word(engine: EmbeddedEngine) -> None:
    protocol: Engine = engine
    request = at("import logging\n\nfrom shop.errors import StoreError\n\n▮\n")
    async with protocol.complete(request) as deltas:
        parts = [delta.text async for delta in deltas]
    assert "".join(parts) == "logger = logging.getLogger(__name__)"
    assert len(parts) > 4


async def test_it_is_silent_when_unsure(engine: EmbeddedEngine) -> None:
    async with engine.complete(at("zebra quilt ▮\n")) as deltas:
        assert [delta async for delta in deltas] == []


async def test_leaving_a_stream_early_is_clean(engine: EmbeddedEngine) -> None:
    request = at("import logging\n\nfrom shop.errors import StoreError\n\n▮\n")
    async with asyncio.timeout(WAIT_SECONDS), engine.complete(request) as deltas:
        async for _ in deltas:
            break


async def test_an_explanation_is_streamed(engine: EmbeddedEngine) -> None:
    request = ExplainRequest("shop/users.py", "python", "def f(a):\n    return a\n", 1, 2, symbol="f")
    async with engine.explain(request) as deltas:
        parts = [delta.text async for delta in deltas]
    assert len(parts) > 1
    assert "".join(parts).strip()


async def test_it_is_always_available_and_closes_twice(engine: EmbeddedEngine) -> None:
    assert (await engine.health()).available
    await engine.close()
    await engine.close()


def test_the_shipped_weights_belong_to_the_features() -> None:
    data = Ranker.load().to_json()
    data["lines"]["features"][0] = "another"
    with pytest.raises(ValueError, match="other features"):
        Ranker.from_json(data)
