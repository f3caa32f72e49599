"""Whoever asks, whatever the groups say: no channel shows anything of a repository that the user may not read.

Random users, groups and grants over one real index, through the real server objects. Every repository's files hold a
mark that stands nowhere else: it must not be in anything that is sent or asked of a model, while what may be read fills
its place.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.accounts import Accounts, TokenScope
from server.cli.assembly import Program, assemble
from server.cli.serve import Shared
from server.config import AuditConfig, DataConfig, HearthConfig, LimitsConfig
from server.engine.ladder import Ladder
from server.gateway.access import Gatekeeper, Visitor
from server.gateway.audit import Audit
from server.gateway.limits import RateLimits
from server.types import CompletionRequest, Delta, EngineHealth, ExplainRequest, Rung
from tests.conftest import Repository
from tests.patience import WAIT_SECONDS
from tests.server.indexed import build_index

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
TOP = 6
TEXT = "def convert_price_1(price):\n    rate = find_\n    return convert_price_2(price)\n"


def files(name: str) -> dict[str, str]:
    """Return files that all repositories have alike, but for the mark: every search would find them everywhere."""
    mark = f"mark_of_{name}"
    return {"lib/common.py": TEXT} | {
        f"lib/prices_{name}_{number}.py": f'def convert_price_{number}(price):\n    """Convert a price, {mark}."""\n'
        f"    rate = find_rate(price, {mark!r})\n    return price * rate + {number}\n"
        for number in range(TOP)
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("company")
    repositories = []
    for name in NAMES:
        (directory / name).mkdir()
        repository = Repository(directory / name)
        repository.git("init", "--quiet", "--initial-branch=main")
        repository.commit(files(name), f"Begin, mark_of_{name}")
        repositories.append(repository)
    build_index(directory / "data", repositories).close()
    return directory / "data"


class Listening:
    """A model that writes down what it is shown."""

    name = "vllm"

    def __init__(self) -> None:
        self.shown: list[CompletionRequest | ExplainRequest] = []

    @asynccontextmanager
    async def complete(self, request: CompletionRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        self.shown.append(request)
        yield _say("rate")

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self.complete(request)

    @asynccontextmanager
    async def explain(self, request: ExplainRequest) -> AsyncIterator[AsyncIterator[Delta]]:
        self.shown.append(request)
        yield _say("It converts. [1] [2]")

    async def health(self) -> EngineHealth:
        return EngineHealth(available=True, detail="", model="listening")

    async def close(self) -> None:
        pass


async def _say(text: str) -> AsyncIterator[Delta]:
    yield Delta(text, 1)


class Ear:
    """Where a session's messages go."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.news = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.heard.append(json.loads(data))
        self.news.set()

    def waiting_bytes(self) -> int:
        return 0


class Talk:
    """An editor's session with the real server, without a network between."""

    def __init__(self, shared: Shared, visitor: Visitor) -> None:
        self.ear = Ear()
        # All that a session needs of an outbox is that it can be written to.
        self.session = shared.open_session(visitor, self.ear)  # type: ignore[arg-type]  # see above
        self.count = 0

    async def tell(self, method: str, parameters: Any) -> None:
        await self.session.receive(json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters}))

    async def ask(self, method: str, parameters: Any) -> Any:
        self.count += 1
        message = {"jsonrpc": "2.0", "id": self.count, "method": method, "params": parameters}
        await self.session.receive(json.dumps(message))
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                for heard in self.ear.heard:
                    if heard.get("id") == self.count and "method" not in heard:
                        assert "result" in heard, heard
                        return heard["result"]
                self.ear.news.clear()
                await self.ear.news.wait()


GROUPS = ("red", "green", "blue")
PATTERNS = st.sampled_from([*NAMES, "*eta", "*a", "e*", "none"])
COMPANIES = st.fixed_dictionaries({
    "groups": st.lists(st.sampled_from(GROUPS), max_size=3, unique=True),
    "grants": st.dictionaries(st.sampled_from(GROUPS), st.lists(PATTERNS, max_size=2), max_size=3),
    "folder": st.sampled_from(NAMES),
})  # fmt: skip


@pytest.mark.parametrize("with_model", [False, True])
async def test_no_channel_shows_what_may_not_be_read(data: Path, *, with_model: bool) -> None:
    program = await asyncio.to_thread(assemble, HearthConfig(data=DataConfig(data)))
    loop = asyncio.get_running_loop()

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(company=COMPANIES)
    def holds(company: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            looking = _look_everywhere(program, company, Path(directory), with_model=with_model)
            asyncio.run_coroutine_threadsafe(looking, loop).result(120)

    try:
        await asyncio.to_thread(holds)
    finally:
        await program.close()


async def _look_everywhere(program: Program, company: dict[str, Any], directory: Path, *, with_model: bool) -> None:
    model = Listening()
    if with_model:
        ladder = Ladder([(Rung.VLLM, model)], program.config.engine)
        program = replace(program, ladder=ladder, embedded=None)
    audit = Audit(directory, AuditConfig(enabled=False))
    with Accounts(directory) as accounts, ThreadPoolExecutor(4) as threads:
        accounts.add_user("ana", company["groups"])
        for group, patterns in company["grants"].items():
            if patterns:
                accounts.add_to_group(group, repositories=patterns)
        _, secret = accounts.add_token("ana", {TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH})
        shared = Shared(program, threads, threads, audit)
        gate = Gatekeeper(accounts.reader, shared.published_repositories, RateLimits(LimitsConfig()))
        visitor = gate.recognise(f"Bearer {secret}")
        readable = visitor.readable
        assert readable is not None
        talk = Talk(shared, visitor)
        try:
            await _use_everything(talk, company["folder"], readable)
        finally:
            await talk.session.close()
        said = json.dumps(talk.ear.heard) + repr([_shown(request) for request in model.shown])
        for name in NAMES:
            if name not in readable:
                assert f"mark_of_{name}" not in said
                assert f"prices_{name}" not in said
                assert f'"{name}"' not in said
            elif with_model:
                assert f"mark_of_{name}" in said, "nothing was found where there is something"
        for request in model.shown:
            assert request.caller.tenant == gate.rights("ana").tenant
    audit.close()


async def _use_everything(talk: Talk, folder: str, readable: frozenset[str]) -> None:
    # The editor says that it has a clone of `folder`, whether it may or not.
    root = "file:///home/ana/work"
    remote = {"uri": root, "remote": f"git@git.example.invalid:team/{folder}.git", "head": "main"}
    await talk.ask(
        "initialize",
        {
            "processId": None,
            "capabilities": {"textDocument": {"inlineCompletion": {}}},
            "workspaceFolders": [{"uri": root, "name": "work"}],
            "initializationOptions": {"hearth": {"repositories": [remote]}},
        },
    )
    await talk.tell("initialized", {})
    uri = f"{root}/lib/new.py"
    document = {"uri": uri, "languageId": "python", "version": 1, "text": TEXT}
    await talk.tell("textDocument/didOpen", {"textDocument": document})
    place = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 16}}
    found = await talk.ask("textDocument/inlineCompletion", {**place, "context": {"triggerKind": 1}})
    for item in found["items"]:
        identifier = item["command"]["arguments"][0]
        await talk.ask("hearth/why", {"id": identifier})
        assert talk.session.why(identifier) is not None
    for column in (13, 17):
        position = {"line": 2, "character": column}
        await talk.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}
    await talk.ask(
        "workspace/executeCommand", {"command": "hearth.explain", "arguments": [{"uri": uri, "range": whole}]}
    )
    await talk.ask("workspace/symbol", {"query": "convert_price"})
    hits = (await talk.ask("hearth/search", {"query": "convert price find rate", "limit": TOP}))["hits"]
    assert len(hits) == (TOP if readable else 0), "what may be read fills the answer"
    for name in NAMES:
        narrow = {"query": "convert price", "repository": name, "limit": 3}
        assert bool((await talk.ask("hearth/search", narrow))["hits"]) == (name in readable)
        file = await talk.ask("hearth/file", {"repository": name, "path": f"lib/prices_{name}_1.py"})
        assert (file is not None) == (name in readable)
        # Who shows what may not be read as if it were from there learns nothing of its history either.
        indexed = f"hearth:/lib/common.py?{name}"
        document = {"uri": indexed, "languageId": "python", "version": 1, "text": TEXT}
        await talk.tell("textDocument/didOpen", {"textDocument": document})
        await talk.ask(
            "workspace/executeCommand", {"command": "hearth.explain", "arguments": [{"uri": indexed, "range": whole}]}
        )
        await talk.tell("textDocument/didClose", {"textDocument": {"uri": indexed}})
    status = await talk.ask("hearth/status", {})
    assert {row["name"] for row in status["index"]["repositories"]} == readable


def _shown(request: CompletionRequest | ExplainRequest) -> Any:
    return request.snippets if isinstance(request, CompletionRequest) else (request.facts, request.text)
