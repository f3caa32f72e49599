"""A real Prometheus watches a real team server at work: every query of the dashboard and the rules has an answer."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import create_default_context
from typing import Any

import aiohttp
import pytest
import trustme

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, connect_editor
from benchmarks.secrets.planted import plant
from indexer.queue import Queue, Repository
from server.accounts import Accounts, TokenScope
from server.accounts.tokens import EDITOR_SCOPES
from tests.e2e.model_server import MODEL, ModelServer
from tests.operations.monitoring import filled_in, queries
from tests.operations.services import DOCS, HERE, install_services, running
from tests.patience import WAIT_SECONDS, patient_model
from tests.server.gateway.team import TeamServer, issue, remote, team_server

pytestmark = pytest.mark.real

ORDERS = (remote("shop") / "shop/orders.py").as_uri()
DRAFT = "from shop.pricing import Discount, round_price\n\n\ndef total(prices):\n    "
CURSOR = (4, 4)
INTERVAL = "20s"
EMPTY = {
    "HearthServerErrors",
    "HearthConnectionsRefused",
    "HearthEditorsCutOff",
    "Still there",
    "Sign-ins with the provider",
}
"""Rules and panels about what never happens here: requests that end with an error of the server, more connections than
there is room for, editors that do not read, documents that stay open for half a minute, a provider of identities."""


@pytest.fixture(scope="module")
def programs() -> Path:
    """The directory of Prometheus' programs."""
    return install_services()


def test_promtool_takes_the_rules_and_the_example(programs: Path) -> None:
    for arguments in (
        ("check", "rules", DOCS / "alerts.yml"),
        ("check", "config", "--syntax-only", DOCS / "prometheus.yml"),
        ("test", "rules", HERE / "alerts_test.yml"),
    ):
        done = subprocess.run([programs / "promtool", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


async def test_every_query_has_an_answer_while_hearth_works(
    programs: Path, data: Path, tmp_path: Path, unused_port: int
) -> None:
    authority = trustme.CA()
    issue(authority, tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tokens = accounts(data)
    with Queue(data) as queue:
        queue.register(Repository("gone", str(tmp_path / "no-such-repository")))
    model = ModelServer(counts=True)
    await model.start()
    settings = (
        f'{patient_model(model.url)}[engine.vllm.teams]\nbackend = "{MODEL}"\n'
        "[engine]\nfailures = 1\nretry_seconds = 1\n[repositories]\nattempts = 1\n"
        f'[server.tls]\ncertificate = "{tmp_path / "cert.pem"}"\nkey = "{tmp_path / "key.pem"}"\n'
    )
    async with (
        team_server(data, settings) as team,
        watched(programs, tmp_path, team, tokens["prometheus"], unused_port) as prometheus,
    ):
        work = asyncio.create_task(keep_working(team, model, tokens["ana"], tmp_path / "ca.pem"))
        try:
            await check_everything(prometheus, work)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await model.stop()


def accounts(data: Path) -> dict[str, str]:
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["backend"])
        accounts.add_to_group("backend", repositories=["shop"])
        accounts.add_user("prometheus")
        return {
            "ana": accounts.add_token("ana", EDITOR_SCOPES)[1],
            "prometheus": accounts.add_token("prometheus", {TokenScope.METRICS})[1],
        }


@asynccontextmanager
async def watched(
    programs: Path, folder: Path, team: TeamServer, token: str, port: int
) -> AsyncIterator[aiohttp.ClientSession]:
    """Run Prometheus with the example of docs/operations, its names and intervals made to fit."""
    (folder / "hearth.token").write_text(token)
    example = (DOCS / "prometheus.yml").read_text()
    for name, put in (
        ("15s", "1s"),
        ("alerts.yml", str(DOCS / "alerts.yml")),
        ("/etc/prometheus/hearth.token", str(folder / "hearth.token")),
        ("hearth.example.com", team.url.removeprefix("https://")),
        ("    scheme: https", f"    scheme: https\n    tls_config: {{ca_file: {folder / 'ca.pem'}}}"),
    ):
        assert name in example
        example = example.replace(name, put)
    (folder / "prometheus.yml").write_text(example)
    address = f"127.0.0.1:{port}"
    async with (
        running(
            programs / "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
            ready=f"http://{address}/-/ready",
        ),
        aiohttp.ClientSession(f"http://{address}") as client,
    ):
        yield client


async def keep_working(team: TeamServer, model: ModelServer, token: str, ca: Path) -> None:
    """Do again and again what editors do: with the model, without it, in vain, and what is not allowed."""
    trusted = create_default_context(cafile=str(ca))
    answering = asyncio.create_task(answer(model))
    try:
        while True:
            async with connect_editor(team.url, token=token, ssl=trusted) as editor:
                await editor.initialize(remote("shop"), VSCODE_CAPABILITIES)
                while (await editor.request("hearth/status", {}))["engine"]["rung"] != "vllm":  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.1)
                await take_suggestions(editor)
                await type_along(editor)
                await give_up(editor)
                await explain(editor)
                # The ladder goes down, and comes up again when the model is back.
                await model.stop()
                editor.open(f"{ORDERS}.down.py", "python", DRAFT)
                await editor.complete(f"{ORDERS}.down.py", *CURSOR, automatic=False)
                await model.start()
            async with aiohttp.ClientSession(team.url) as stranger:
                for path in ("/api/v1/search?q=x", "/healthz", "/nowhere"):
                    async with stranger.get(path, ssl=trusted):
                        pass
            await asyncio.sleep(2)
    finally:
        answering.cancel()


async def take_suggestions(editor: Editor) -> None:
    """Have suggestions shown, taken, taken in part and turned down, and type on in one that is finished."""
    for number, report in enumerate(("didAccept", "didPartiallyAccept", "didReject")):
        # Each in a document of its own, so that none is served from what an earlier one left.
        uri = f"{ORDERS}.{number}.py"
        editor.open(uri, "python", DRAFT)
        streamed = await editor.complete(uri, *CURSOR, automatic=False)
        for item in streamed.result["items"]:
            identifier = item["command"]["arguments"][0]
            editor.notify("hearth/didShowCompletion", {"id": identifier, "latency": 120})
            editor.notify(f"hearth/{report}Completion", {"id": identifier, "acceptedLength": 6})
            await type_on(editor, uri, item["insertText"][:3])


async def type_along(editor: Editor) -> None:
    """Type what a suggestion says while it is being written."""
    uri = f"{ORDERS}.along.py"
    editor.open(uri, "python", DRAFT)
    asking, text = await begun(editor, uri)
    asking.cancel()
    await type_on(editor, uri, text[:3])


async def give_up(editor: Editor) -> None:
    """Cancel a suggestion that is being written, and go elsewhere."""
    uri = f"{ORDERS}.vain.py"
    editor.open(uri, "python", DRAFT)
    asking, _ = await begun(editor, uri)
    asking.cancel()
    editor.insert(uri, 0, 0, "import os\n")


async def explain(editor: Editor) -> None:
    """Have code explained that has a secret."""
    uri = f"{ORDERS}.secret.py"
    editor.open(uri, "python", f"{plant(1)[0].line}\n{DRAFT}return sum(prices)\n")
    selected = {"start": {"line": 0, "character": 0}, "end": {"line": 6, "character": 0}}
    parameters = {"command": "hearth.explain", "arguments": [{"uri": uri, "range": selected}]}
    await editor.stream("workspace/executeCommand", parameters)


async def begun(editor: Editor, uri: str) -> tuple[asyncio.Task[Any], str]:
    """Ask for a suggestion; return the request and its text once the model writes: the first may be a stand-in."""
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    texts: list[str] = []

    def note(_: float, part: Any) -> None:
        texts.extend(item["insertText"] for item in part["items"])
        if len(texts) > 2 and not begun.done():
            begun.set_result(texts[-1])

    asking = asyncio.create_task(editor.complete(uri, *CURSOR, automatic=False, on_part=note))
    async with asyncio.timeout(WAIT_SECONDS):
        return asking, await begun


async def type_on(editor: Editor, uri: str, text: str) -> None:
    """Type some text at the cursor and ask again."""
    line, character = CURSOR
    editor.insert(uri, line, character, text)
    await editor.complete(uri, line, character + len(text), automatic=False)


async def answer(model: ModelServer) -> None:
    """Write a line for whatever the model server is asked, slowly enough to be given up."""

    async def each(calls: asyncio.Queue[Any]) -> None:
        while True:
            call = await calls.get()
            for token in ("return ", "round", "_price", "(", "sum", "(", "prices", "))", None):
                call.write(token)
                await asyncio.sleep(0.15)

    await asyncio.gather(each(model.calls), each(model.chats))


async def check_everything(prometheus: aiohttp.ClientSession, work: asyncio.Task[None]) -> None:
    """Ask until every query of the dashboard has an answer, and so has what the rules compare with their limits."""
    async with prometheus.get("/api/v1/rules") as answered:
        groups = (await answered.json())["data"]["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert len(rules) >= 13
    waiting = {filled_in(query, INTERVAL): title for title, query in queries() if title not in EMPTY}
    waiting |= {part: name for name in rules.keys() - EMPTY for part in compared(rules[name]["query"])}
    deadline = asyncio.get_running_loop().time() + 2 * WAIT_SECONDS
    while waiting and asyncio.get_running_loop().time() < deadline:
        assert not work.done(), work.exception()
        for query in list(waiting):
            if await results(prometheus, query):
                del waiting[query]
        await asyncio.sleep(1)
    assert not waiting, list(waiting.items())
    async with prometheus.get("/api/v1/rules") as answered:
        groups = (await answered.json())["data"]["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule["name"]


def compared(query: str) -> list[str]:
    """Return the parts of a rule that it compares with numbers."""
    return [side.rsplit(" > ", 1)[0].rsplit(" == ", 1)[0].rsplit(" < ", 1)[0] for side in query.split(" and ")]


async def results(prometheus: aiohttp.ClientSession, query: str) -> list[Any]:
    """Return the series that a query finds which have a number."""
    async with prometheus.get("/api/v1/query", params={"query": query}) as answered:
        value = await answered.json()
    assert value["status"] == "success", (query, value)
    return [found for found in value["data"]["result"] if found["value"][1] != "NaN"]
