from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from indexer.api import Index
from indexer.types import Scope
from server.explain import Explainer, ExplainTarget
from server.types import CompletionRequest, Delta, EngineHealth, ExplainRequest, FactKind, OpenFile
from tests.patience import WAIT_SECONDS
from tests.server.indexed import SHOP


class ScriptedEngine:
    """An engine that says what it is told to, and remembers whether its stream was closed."""

    name = "scripted"

    def __init__(self, deltas: Sequence[str] = (), *, hangs: bool = False) -> None:
        self._deltas = deltas
        self._hangs = hangs
        self.closed = False
        self.request: ExplainRequest | None = None

    def complete(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        raise NotImplementedError

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self.complete(request)

    @asynccontextmanager
    async def explain(self, request: ExplainRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        self.request = request
        try:
            yield self._stream()
        finally:
            self.closed = True

    async def _stream(self) -> AsyncIterator[Delta]:
        for delta in self._deltas:
            yield Delta(delta)
        if self._hangs:
            await asyncio.Event().wait()

    async def health(self) -> EngineHealth:
        return EngineHealth(available=True, detail="")

    async def close(self) -> None:
        """Hold nothing."""


def target(path: str, line: int, **changes: object) -> ExplainTarget:
    values: dict[str, object] = {
        "path": path,
        "language": "typescript" if path.endswith(".ts") else "python",
        "text": SHOP[path],
        "start_line": line,
        "end_line": line,
        "whole_symbol": True,
        "repository": "shop",
        **changes,
    }
    return ExplainTarget(**values)  # type: ignore[arg-type] # one helper for all fields


def facts(index: Index | None, wanted: ExplainTarget) -> ExplainRequest:
    return Explainer(index, ScriptedEngine()).facts(wanted)


def test_the_definition_around_a_line_is_explained_with_what_it_uses_and_who_uses_it(shop: Index) -> None:
    request = facts(shop, target("shop/pricing.py", 16))
    assert (request.symbol, request.start_line, request.end_line) == ("round_price", 15, 17)
    callers = [fact for fact in request.facts if fact.kind is FactKind.CALLER]
    assert callers[0].title == "1 place in 1 file"
    assert "1 other definition of that name" in callers[0].text
    assert callers[1].citation is not None
    assert (callers[1].citation.path, callers[1].citation.start_line) == ("shop/orders.py", 8)
    orders = facts(shop, target("shop/orders.py", 7))
    used = {fact.title for fact in orders.facts if fact.kind is FactKind.USES}
    assert used == {"class Discount", "function round_price", "method Discount.apply"}


def test_every_citation_exists_in_the_index(shop: Index) -> None:
    for path in SHOP:
        for line in range(1, SHOP[path].count("\n") + 1):
            for fact in facts(shop, target(path, line)).facts:
                cited = fact.citation
                if cited is None:
                    continue
                text = shop.file_text(cited.repository, cited.commit, cited.path)
                assert text is not None
                assert 1 <= cited.start_line <= cited.end_line <= len(text.splitlines())


def test_what_is_also_said_is_nowhere_that_is_cited_already(shop: Index) -> None:
    request = facts(shop, target("shop/pricing.py", 16))
    cited = [(fact.kind, fact.citation) for fact in request.facts if fact.citation]
    assert ("shop/orders.py", 8) in [(place.path, place.start_line) for _, place in cited]
    related = [place for kind, place in cited if kind is FactKind.RELATED]
    assert {place.path for place in related} == {"other/pricing.py", "vault.py"}
    assert len({(place.repository, place.path, place.start_line, place.end_line) for _, place in cited}) == len(cited)


def test_an_overload_is_no_definition_that_is_used() -> None:
    text = """@overload
def opened(path: str) -> str: ...


def opened(path):
    return opened(str(path))
"""
    request = facts(None, target("shop/pricing.py", 5, text=text))
    assert [fact.title for fact in request.facts if fact.kind is FactKind.USES] == []


def test_history_names_the_last_commits(shop: Index) -> None:
    history = [fact for fact in facts(shop, target("shop/pricing.py", 16)).facts if fact.kind is FactKind.HISTORY]
    assert [fact.text for fact in history] == ["Open the shop"]


def test_unsaved_text_is_explained_as_it_stands_and_cites_no_commit(shop: Index) -> None:
    changed = "import math\n\n" + SHOP["shop/pricing.py"].replace("whole cents", "quarter cents")
    request = facts(shop, target("shop/pricing.py", 18, text=changed))
    assert request.symbol == "round_price"
    documentation = [fact.text for fact in request.facts if fact.kind is FactKind.DOCUMENTATION]
    assert documentation == ["Round to quarter cents."]
    own = [fact.citation for fact in request.facts if fact.kind is FactKind.SIGNATURE]
    assert own[0] is not None
    assert own[0].commit == ""


def test_moved_lines_still_find_their_history(shop: Index) -> None:
    request = facts(shop, target("shop/pricing.py", 18, text="import math\n\n" + SHOP["shop/pricing.py"]))
    assert [fact.text for fact in request.facts if fact.kind is FactKind.HISTORY] == ["Open the shop"]


def test_open_documents_use_it_too(shop: Index) -> None:
    caller = OpenFile("shop/new.py", "python", "from shop.pricing import round_price\n\nround_price(2)\n", "shop")
    request = facts(shop, target("shop/pricing.py", 16, open_files=(caller,)))
    cited = [fact.citation for fact in request.facts if fact.kind is FactKind.CALLER and fact.citation]
    assert ("shop/new.py", 3, "") in [(place.path, place.start_line, place.commit) for place in cited]


def test_a_selection_of_lines_is_explained_inside_of_its_function(shop: Index) -> None:
    request = facts(shop, target("shop/orders.py", 8, whole_symbol=False))
    assert request.symbol == ""
    assert request.facts[0].title == "inside function total"
    assert request.text.strip().startswith("return round_price")


def test_nothing_of_unreadable_repositories_is_told(shop: Index) -> None:
    request = facts(shop, target("shop/pricing.py", 16, scope=Scope(frozenset({"shop"}))))
    assert {fact.citation.repository for fact in request.facts if fact.citation} == {"shop"}
    assert "vault" not in str(request)


def test_without_an_index_the_document_is_what_there_is() -> None:
    request = facts(None, target("shop/pricing.py", 16, repository=""))
    assert [fact.kind for fact in request.facts] == [FactKind.SIGNATURE, FactKind.DOCUMENTATION]


@pytest.mark.parametrize("line", [-5, 0, 1, 10_000])
@pytest.mark.parametrize("text", ["", "\n", "x = 1", "def broken(:\r\n\tpass\r\n"])
def test_any_line_of_any_text_can_be_asked_about(shop: Index, text: str, line: int) -> None:
    facts(shop, target("shop/pricing.py", line, text=text, end_line=line + 3, whole_symbol=line == 0))


async def test_the_stream_shows_only_citations_that_exist(shop: Index) -> None:
    engine = ScriptedEngine(["Rounds", " [1", "] and", " [99", "] ends."])
    async with Explainer(shop, engine).stream(target("shop/pricing.py", 16)) as stream:
        deltas = [delta async for delta in stream]
        result = stream.result
    assert len(deltas) > 1
    assert result.markdown == "".join(deltas) == "Rounds [1] and ends."
    assert [item.number for item in result.citations] == [1]
    assert result.citations[0].citation.path == "shop/pricing.py"
    assert result.engine == "scripted"


async def test_leaving_the_stream_closes_the_engines(shop: Index) -> None:
    engine = ScriptedEngine(["One"], hangs=True)

    async def explain() -> None:
        async with Explainer(shop, engine).stream(target("shop/pricing.py", 16)) as stream:
            async for _ in stream:
                started.set()

    started = asyncio.Event()
    task = asyncio.create_task(explain())
    await asyncio.wait_for(started.wait(), WAIT_SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.closed
