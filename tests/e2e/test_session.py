"""A day with an editor: one session per kind of editor on a repository made for it."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types

from tests.conftest import Repository
from tests.e2e.editor import PROFILES, Editor, open_editor, plain
from tests.patience import PATIENT, WAIT_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CART = '''"""The cart of a shop."""

from shop.money import Money, convert_to_euro


class Cart:
    """What a customer wants to buy."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries: list[Entry] = []

    def total_in_euro(self) -> Money:
        """Add up all entries, each converted to euro."""
        total = Money(0, "EUR")
        for entry in self.entries:
            total = total.plus(convert_to_euro(entry.price))
        return total

    def remove_everything(self) -> None:
        """Empty the cart."""
        self.entries.clear()
'''
MONEY = '''"""Amounts of money."""


class Money:
    """An amount in a currency."""

    def __init__(self, amount: int, currency: str) -> None:
        self.amount = amount
        self.currency = currency

    def plus(self, other: "Money") -> "Money":
        """Add two amounts of one currency."""
        return Money(self.amount + other.amount, self.currency)


def convert_to_euro(price: Money) -> Money:
    """Convert any amount to euro by the rate of the day."""
    return Money(price.amount * 2, "EUR")
'''
REPORT = '''"""Reports on carts."""

from shop.cart import Cart


def report(carts: list[Cart]) -> list[str]:
    """Say what is in every cart."""
    lines = []
    for cart in carts:
        total = cart.total_in_euro()
        lines.append(f"{cart.owner}: {total.amount} {total.currency}")
    return lines
'''
AUDIT = """from shop.cart import Cart


def audit(carts: list[Cart]) -> None:
    for cart in carts:
\x20\x20\x20\x20\x20\x20\x20\x20total\x20=\x20
"""


def make_shop(path: Path) -> Repository:
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit({"shop/cart.py": CART, "shop/money.py": MONEY, "shop/report.py": REPORT}, "Open the shop")
    return repository


class Shop:
    def __init__(self, profile: str, editor: Editor, repository: Repository) -> None:
        self.profile = profile
        self.editor = editor
        self.repository = repository

    def uri(self, name: str) -> str:
        return (self.repository.path / name).as_uri()


@pytest_asyncio.fixture(params=list(PROFILES), loop_scope="module", scope="module")
async def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp(request.param)
    repository = make_shop(folder / "shop")
    config = folder / "hearth.toml"
    # How sure the engine is of itself is measured elsewhere; here it shall speak.
    config.write_text(f"[engine.embedded]\nthreshold = 0.01\n{PATIENT}")
    async with open_editor(
        repository.path, folder / "data", "--config", str(config), capabilities=PROFILES[request.param]()
    ) as editor:
        await editor.wait_for_status(lambda value: value.index.state == "ready")
        yield Shop(request.param, editor, repository)


async def test_offers_what_the_protocol_says(shop: Shop) -> None:
    offered = shop.editor.capabilities
    assert offered.inline_completion_provider is not None
    assert offered.completion_provider is None
    assert offered.hover_provider
    assert offered.workspace_symbol_provider
    assert offered.code_action_provider
    assert offered.execute_command_provider is not None
    assert {"hearth.explain", "hearth.accepted", "hearth.reindex"} <= set(offered.execute_command_provider.commands)


async def test_indexing_is_shown_and_ends(shop: Shop) -> None:
    kinds = [
        value.value["kind"]
        for method, value in shop.editor.notifications
        if method == types.PROGRESS and str(value.token).startswith("hearth-index")
    ]
    window = PROFILES[shop.profile]().window
    if window is not None and window.work_done_progress:
        assert kinds[0] == "begin"
        assert kinds[-1] == "end"
        assert "report" in kinds
    else:
        assert kinds == []


async def test_suggestion_streams_in_parts_that_grow(shop: Shop) -> None:
    uri = shop.uri("shop/audit.py")
    shop.editor.open(
        uri,
        AUDIT,
    )
    answer = shop.editor.complete(uri, 5, 16)
    async with asyncio.timeout(WAIT_SECONDS):
        result = await answer.result
    assert result.items[0].insert_text == "cart.total_in_euro()"
    texts = answer.texts()
    assert len(texts) >= 2
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert texts[-1] == result.items[0].insert_text
    assert result.items[0].range == types.Range(types.Position(5, 16), types.Position(5, 16))
    shop.editor.close(uri)


async def test_unsaved_edits_win_over_the_index(shop: Shop) -> None:
    report, audit, money = shop.uri("shop/report.py"), shop.uri("shop/audit.py"), shop.uri("shop/money.py")
    shop.editor.open(audit, AUDIT)
    assert await shop.editor.completed(audit, 5, 16) == "cart.total_in_euro()"
    shop.editor.open(report, REPORT)
    line = REPORT.splitlines().index("        total = cart.total_in_euro()")
    shop.editor.insert(report, line, 34, "_and_cents")
    assert await shop.editor.completed(audit, 5, 16) == "cart.total_in_euro_and_cents()"
    shop.editor.close(report)
    assert await shop.editor.completed(audit, 5, 16) == "cart.total_in_euro()"
    # Hover and explanation read the open text, too.
    shop.editor.open(money, MONEY.replace("rate of the day", "rate of the night"))
    shop.editor.insert(audit, 5, 16, "convert_to_euro(1)")
    shop.editor.insert(audit, 0, 0, "from shop.money import convert_to_euro\n")
    hover = await shop.editor.request(
        types.TEXT_DOCUMENT_HOVER,
        types.HoverParams(types.TextDocumentIdentifier(audit), types.Position(6, 20)),
    )
    assert "rate of the night" in hover.contents.value
    shop.editor.close(audit)
    shop.editor.close(money)


async def test_crlf_tabs_and_emoji_keep_positions_right(shop: Shop) -> None:
    uri = shop.uri("shop/emoji.py")
    text = AUDIT.replace("    ", "\t").replace("\n\tfor", "\n\tname = '😀é'\n\tfor").replace("\n", "\r\n")
    shop.editor.open(uri, text)
    # An edit after an emoji: UTF-16 counts it as two.
    shop.editor.insert(uri, 4, 13, "  # 😀😀 ")
    shop.editor.insert(uri, 6, 10, "cart.")
    answer = shop.editor.complete(uri, 6, 15)
    async with asyncio.timeout(WAIT_SECONDS):
        result = await answer.result
    assert result.items[0].insert_text == "total_in_euro()"
    assert "\r" not in result.items[0].insert_text
    assert result.items[0].range.start == types.Position(6, 15)
    shop.editor.close(uri)


async def test_selected_completion_is_continued_or_nothing(shop: Shop) -> None:
    uri = shop.uri("shop/audit.py")
    shop.editor.open(
        uri,
        AUDIT.removesuffix("\n") + "ca\n",
    )
    selected = {"range": {"start": {"line": 5, "character": 16}, "end": {"line": 5, "character": 18}}, "text": "cart"}
    answer = shop.editor.complete(uri, 5, 18, selectedCompletionInfo=selected)
    async with asyncio.timeout(WAIT_SECONDS):
        result = await answer.result
    for item in result.items:
        assert item.insert_text.startswith("cart")
        assert item.range == types.Range(types.Position(5, 16), types.Position(5, 18))
    shop.editor.close(uri)


async def test_explanation_streams_with_citations_that_exist(shop: Shop) -> None:
    uri = shop.uri("shop/cart.py")
    shop.editor.open(uri, CART)
    answer = shop.editor.explain(uri, (12, 10), (12, 10))
    async with asyncio.timeout(WAIT_SECONDS):
        result = plain(await answer.result)
    assert len(answer.parts) >= 2
    assert "".join(part["delta"] for part in answer.parts) == result["markdown"]
    assert "total_in_euro" in result["markdown"]
    assert result["engine"] == "embedded"
    assert result["citations"]
    head = shop.repository.git("rev-parse", "HEAD")
    for citation in result["citations"]:
        text = (shop.repository.path / citation["path"]).read_text().splitlines()
        assert 1 <= citation["startLine"] <= citation["endLine"] <= len(text)
        assert citation["commit"] in ("", head)
        assert f"[{citation['number']}]" in result["markdown"]
        assert citation["uri"] == shop.uri(citation["path"])
    shop.editor.close(uri)


async def test_code_action_carries_the_explanation(shop: Shop) -> None:
    uri = shop.uri("shop/cart.py")
    shop.editor.open(uri, CART)
    span = types.Range(types.Position(12, 0), types.Position(17, 0))
    [action] = plain(
        await shop.editor.request(
            types.TEXT_DOCUMENT_CODE_ACTION,
            types.CodeActionParams(types.TextDocumentIdentifier(uri), span, types.CodeActionContext([])),
        )
    )
    assert action["title"] == "Explain this code (Hearth)"
    # A client that looks by itself at every place of the cursor shows no light bulb there.
    nothing = types.Range(types.Position(12, 0), types.Position(12, 0))
    for trigger, offered in (
        (types.CodeActionTriggerKind.Automatic, 0),
        (types.CodeActionTriggerKind.Invoked, 1),
    ):
        context = types.CodeActionContext([], trigger_kind=trigger)
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), nothing, context)
        assert len(await shop.editor.request(types.TEXT_DOCUMENT_CODE_ACTION, params)) == offered
    command = action["command"]
    answer = shop.editor.send(
        types.WORKSPACE_EXECUTE_COMMAND, {"command": command["command"], "arguments": command["arguments"]}
    )
    async with asyncio.timeout(WAIT_SECONDS):
        assert "total_in_euro" in plain(await answer.result)["markdown"]
    shop.editor.close(uri)


async def test_hover_shows_signature_and_documentation(shop: Shop) -> None:
    uri = shop.uri("shop/cart.py")
    shop.editor.open(uri, CART)
    hover = await shop.editor.request(
        types.TEXT_DOCUMENT_HOVER,
        types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(16, 35)),
    )
    assert "def convert_to_euro(price: Money) -> Money" in hover.contents.value
    assert "rate of the day" in hover.contents.value
    assert (hover.range.start.character, hover.range.end.character) == (31, 46)
    shop.editor.close(uri)


async def test_symbols_of_the_index_can_be_opened(shop: Shop) -> None:
    found = await shop.editor.request("workspace/symbol", types.WorkspaceSymbolParams("total_in"))
    symbol = next(item for item in found if item.name == "total_in_euro")
    assert symbol.location.uri == shop.uri("shop/cart.py")
    assert symbol.location.range.start.line == 12


async def test_search_finds_code_with_its_commit(shop: Shop) -> None:
    found = plain(await shop.editor.request("hearth/search", {"query": "convert amount to euro", "limit": 3}))
    assert found["hits"][0]["path"] == "shop/money.py"
    assert found["hits"][0]["commit"] == shop.repository.git("rev-parse", "HEAD")
    assert found["hits"][0]["uri"] == shop.uri("shop/money.py")


async def test_file_of_the_index_can_be_read(shop: Shop) -> None:
    found = plain(await shop.editor.request("hearth/file", {"repository": "shop", "path": "shop/money.py"}))
    assert found["text"] == MONEY
    assert (found["language"], found["commit"]) == ("python", shop.repository.git("rev-parse", "HEAD"))
    for other in (
        {"repository": "shop", "path": "shop/nowhere.py"},
        {"repository": "shop", "path": "../shop/money.py"},
        {"repository": "nobody", "path": "shop/money.py"},
        {"repository": "shop", "path": "shop/money.py", "ref": "nowhere"},
    ):
        assert await shop.editor.request("hearth/file", other) is None


async def test_why_remembers_and_accepting_is_noted(shop: Shop) -> None:
    uri = shop.uri("shop/audit.py")
    shop.editor.open(
        uri,
        AUDIT,
    )
    async with asyncio.timeout(WAIT_SECONDS):
        result = await shop.editor.complete(uri, 5, 16).result
    command = result.items[0].command
    assert command.command == "hearth.accepted"
    identifier = command.arguments[0]
    for method in ("hearth/didShowCompletion", "hearth/didRejectCompletion", "hearth/didAcceptCompletion"):
        shop.editor.client.protocol.notify(method, {"id": identifier})
    shop.editor.client.protocol.notify("hearth/didPartiallyAcceptCompletion", {"id": identifier, "acceptedLength": 3})
    shop.editor.client.protocol.notify("hearth/didPartiallyAcceptCompletion", {"nonsense": True})
    await shop.editor.send(
        types.WORKSPACE_EXECUTE_COMMAND, {"command": command.command, "arguments": [identifier]}
    ).result
    why = plain(await shop.editor.request("hearth/why", {"id": identifier}))
    assert why["engine"] == "embedded"
    assert re.fullmatch(r"embedded:shop/\w+\.py:\d+", why["source"])
    assert 0 < why["confidence"] <= 1
    assert {"engine", "total"} <= why["stages"].keys()
    assert await shop.editor.request("hearth/why", {"id": "forgotten"}) is None
    shop.editor.close(uri)


async def test_commit_made_while_the_editor_is_open_is_indexed(shop: Shop) -> None:
    commit = shop.repository.commit({"shop/late.py": "def arrived_late() -> None:\n    pass\n"}, "Be late")
    shop.editor.client.text_document_did_save(
        types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(shop.uri("shop/late.py")))
    )
    await shop.editor.wait_for_status(
        lambda value: value.index.state == "ready" and value.index.repositories[0].commit == commit
    )
    found = await shop.editor.request("workspace/symbol", types.WorkspaceSymbolParams("arrived_late"))
    assert [item.name for item in found] == ["arrived_late"]


async def test_status_can_be_asked_for(shop: Shop) -> None:
    value: Any = plain(await shop.editor.request("hearth/status", {}))
    assert value["engine"]["rung"] == "embedded"
    assert value["index"]["repositories"][0]["name"] == "shop"
    assert value["index"]["repositories"][0]["ref"] == "main"
    # Nobody asked git: an editor must not show a number that is none.
    assert value["index"]["repositories"][0]["behind"] is None
