"""What breaks under a running team server: editors are told in words, nothing is lost, and it mends itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.editor import Editor, ServerAnsweredError
from indexer.queue import Queue, Repository
from tests.server.gateway.team import remote, team_editor, team_server, until_logged

BOOKS = (remote("shop") / "shop/books.py").as_uri()
DRAFT = "from shop.pricing import Discount, round_price\n\n\ndef total(prices):\n    return round_"


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 -- the condition is the server's
            await asyncio.sleep(0.1)


async def ask_everything(editor: Editor) -> None:
    """Ask for what comes from the index; what is refused is refused in words, and a suggestion is one less at most."""
    place = {"textDocument": {"uri": BOOKS}, "position": {"line": 4, "character": 14}}
    for method, parameters in (
        ("hearth/search", {"query": "round price"}),
        ("hearth/status", {}),
        ("hearth/file", {"repository": "shop", "path": "shop/pricing.py"}),
        ("workspace/symbol", {"query": "round"}),
        ("textDocument/hover", place),
    ):
        said = await refused(editor, method, parameters)
        assert said in {"", f"{method}: The index cannot be read now (-32603)"}
    await editor.complete(BOOKS, 4, 14, automatic=False)


async def refused(editor: Editor, method: str, parameters: dict[str, Any]) -> str:
    try:
        await editor.request(method, parameters)
    except ServerAnsweredError as error:
        return str(error)
    return ""


def spoil(data: Path, what: str) -> None:
    """Write rubbish into the middle of files, as a failing disk does."""
    files = [file for file in sorted(data.glob(what)) if file.stat().st_size]
    assert files
    for file in files:
        content = bytearray(file.read_bytes())
        middle = len(content) // 3
        content[middle : middle + len(content) // 2] = b"\xa5" * (len(content) // 2)
        with file.open("r+b") as stream:
            stream.write(content)


async def is_whole(editor: Editor) -> bool:
    with suppress(ServerAnsweredError):
        found = await editor.request("hearth/search", {"query": "round_price", "limit": 3})
        status = await editor.request("hearth/status", {})
        ready = [row["name"] for row in status["index"]["repositories"] if row["state"] == "ready"]
        return bool(found["hits"]) and len(ready) == 3
    return False


@pytest.fixture
def registered(data: Path, indexed: Path) -> Path:
    """The data directory, with what is in its index registered."""
    with Queue(data) as queue:
        for name in ("shop", "secret", "tools"):
            queue.register(Repository(name, str(indexed.parent / name)))
    return data


@pytest.mark.parametrize(
    ("what", "running"),
    [
        ("hearth.sqlite", False),
        ("hearth.sqlite", True),
        ("lexical/meta.json", False),
        ("lexical/*.term", True),
        ("vectors/*.npy", True),
        ("corpora/*/corpus.bin", True),
    ],
)
async def test_a_damaged_index_is_made_anew(registered: Path, what: str, running: bool) -> None:
    if not running:
        spoil(registered, what)
    async with team_server(registered) as team, team_editor(team) as editor:
        editor.open(BOOKS, "python", DRAFT)
        await ask_everything(editor)
        if running:
            spoil(registered, what)
            # Somebody else has to read it for the first time.
            async with team_editor(team) as other:
                other.open(BOOKS, "python", DRAFT)
                await ask_everything(other)
            await ask_everything(editor)
        if what == "hearth.sqlite" or not running:
            await until_logged(team, "the index is damaged and is made anew")
        await until(lambda: is_whole(editor))
        text = await editor.request("hearth/file", {"repository": "shop", "path": "shop/pricing.py"})
        assert "def round_price" in json.dumps(text)
        assert "Traceback" not in team.log.read_text()
