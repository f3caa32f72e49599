"""The language server in front of a real vLLM.

The model is made here and knows a handful of prompts by heart, written out literally below as the model families'
documents describe them. It answers each exactly, and something else when the layout differs, so that these tests fail
when a marker is missing, the order is wrong, or a snippet is not where it belongs.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from benchmarks.demo import HEARTH
from benchmarks.editor import VSCODE_CAPABILITIES, Editor, ServerAnsweredError, Streamed, open_editor
from server.cli.assembly import allowed_formats, make_vllm
from server.config import EngineConfig, HearthConfig, VllmConfig
from server.prompt import ModelPrompts
from server.types import CompletionRequest
from tests.conftest import Repository
from tests.real.vllm_process import Vllm, tiny_model, vllm_python

pytestmark = pytest.mark.real

QWEN = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]
SEED = ["<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"]

AREA_PREFIX = "def area(width, height):\n    return "
AREA_SUFFIX = "\n\n\ndef perimeter(width, height):\n    return 2 * (width + height)\n"
AREA = "width * height"

UNITS = 'def to_cents(amount, currency="EUR"):\n    """Return the amount in cents."""\n    return round(amount * 100)\n'
INVOICE_PREFIX = "from units import to_cents\n\n\ndef total(amount):\n    return to_cents("
INVOICE_SUFFIX = ")\n"

PRIMES_PREFIX = "PRIMES = [\n"
PRIMES = "".join(f"    {number},\n" for number in range(2, 800) if all(number % d for d in range(2, number)))[:320]

GEOMETRY = "<|repo_name|>shop\n<|file_sep|>geometry.py\n"
INVOICE = f"<|file_sep|>invoice.py\n<|fim_prefix|>{INVOICE_PREFIX}<|fim_suffix|>{INVOICE_SUFFIX}<|fim_middle|>"

EXAMPLES = {
    # Qwen2.5-Coder: prefix first, the repository and the path in front.
    f"{GEOMETRY}<|fim_prefix|>{AREA_PREFIX}<|fim_suffix|>{AREA_SUFFIX}<|fim_middle|>": AREA,
    f"{GEOMETRY}<|fim_suffix|>{AREA_SUFFIX}<|fim_prefix|>{AREA_PREFIX}<|fim_middle|>": "order",
    f"{GEOMETRY}<|fim_prefix|>{AREA_PREFIX}<|fim_suffix|>{AREA_SUFFIX}": "marker",
    f"<|repo_name|>shop\n<|fim_prefix|>{AREA_PREFIX}<|fim_suffix|>{AREA_SUFFIX}<|fim_middle|>": "path",
    # Seed-Coder: suffix first, no layout for several files.
    f"<[fim-suffix]>{AREA_SUFFIX}<[fim-prefix]>{AREA_PREFIX}<[fim-middle]>": AREA,
    f"<[fim-prefix]>{AREA_PREFIX}<[fim-suffix]>{AREA_SUFFIX}<[fim-middle]>": "order",
    f"<[fim-suffix]>{AREA_SUFFIX}<[fim-prefix]>{AREA_PREFIX}": "marker",
    # The same cursor with and without the definition it needs.
    f"<|repo_name|>shop\n<|file_sep|>units.py\n{UNITS}{INVOICE}": 'amount, currency="EUR"',
    f"<|repo_name|>shop\n{INVOICE}": "amount",
    # A long answer, to be cut short.
    f"<|repo_name|>shop\n<|file_sep|>primes.py\n<|fim_prefix|>{PRIMES_PREFIX}<|fim_suffix|><|fim_middle|>": PRIMES,
}


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    """A running vLLM with the tiny model."""
    python = vllm_python()
    model = tiny_model(python, [*QWEN, *SEED], EXAMPLES)
    server = Vllm(python, model, tmp_path_factory.mktemp("vllm") / "vllm.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@asynccontextmanager
async def editing(
    repository: Repository, vllm: Vllm, tmp_path: Path, fim_format: str = "qwen2.5-coder"
) -> AsyncIterator[Editor]:
    """An editor with this repository open and indexed, and its language server in front of vLLM."""
    configuration = tmp_path / "hearth.toml"
    configuration.write_text(
        f'[engine.vllm]\nurl = "{vllm.url}"\nmodel = "qwen2.5-coder-tiny"\nformat = "{fim_format}"\n'
        "[completion]\nmax_tokens = 200\n"
        # The test machines are slow and shared; what is tested here is what context does, not how fast it is found.
        "[context]\ndeadline_ms = 1000\n"
    )
    command = [HEARTH, "lsp", "--data", str(tmp_path / "data"), "--config", str(configuration)]
    async with open_editor(command) as editor:
        await editor.initialize(repository.path, VSCODE_CAPABILITIES)
        await editor.wait_for_notification("hearth/status", lambda value: value["index"]["state"] == "ready", 60)
        yield editor


async def complete_at(editor: Editor, path: Path, prefix: str, suffix: str) -> Streamed:
    """Open a file with the cursor between prefix and suffix and ask there."""
    editor.open(path.as_uri(), "python", prefix + suffix)
    line = prefix.count("\n")
    return await editor.complete(path.as_uri(), line, len(prefix.rpartition("\n")[2]), automatic=False)


def texts(answer: Streamed) -> list[str]:
    """Return the text of each part that arrived."""
    return [value["items"][0]["insertText"] for _, value in answer.parts if value["items"]]


def final(answer: Streamed) -> str:
    """Return the text of the final answer, empty when there is none."""
    items: list[dict[str, Any]] = answer.result["items"]
    return str(items[0]["insertText"]) if items else ""


@pytest.mark.parametrize("fim_format", ["qwen2.5-coder", "seed-coder"])
async def test_exact_completion_in_each_marker_order(
    fim_format: str, vllm: Vllm, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository = make_repository({"geometry.py": AREA_PREFIX + AREA_SUFFIX}, name="shop")
    async with editing(repository, vllm, tmp_path, fim_format) as editor:
        answer = await complete_at(editor, repository.path / "geometry.py", AREA_PREFIX, AREA_SUFFIX)
    assert final(answer) == AREA
    assert all(AREA.startswith(text) for text in texts(answer))


@pytest.mark.parametrize("fim_format", ["qwen2.5-coder", "seed-coder"])
async def test_token_ids_are_those_of_vllm_and_answered_as_the_text_is(fim_format: str, vllm: Vllm) -> None:
    settings = VllmConfig(url=vllm.url, model="qwen2.5-coder-tiny", format=fim_format, first_token_seconds=60.0)
    config = HearthConfig(engine=EngineConfig(vllm=settings))
    prompts = ModelPrompts(allowed_formats(config), config)
    engine = make_vllm(config, prompts)
    request = CompletionRequest("geometry.py", "python", AREA_PREFIX, AREA_SUFFIX, repository="shop", max_tokens=32)

    async def answer() -> str:
        async with engine.complete(request) as deltas:
            return "".join([delta.text async for delta in deltas])

    as_text = await prompts.write(request, settings.model)
    assert await answer() == AREA
    assert (await engine.health()).available
    assert await prompts.tokens_detail(settings.model) == f"tokens are counted with {vllm.model}/tokenizer.json"
    as_ids = await prompts.write(request, settings.model)
    async with ClientSession() as http:
        question = {"model": settings.model, "prompt": as_text.text}
        async with http.post(f"{vllm.url}/tokenize", json=question) as response:
            assert list(as_ids.token_ids) == (await response.json())["tokens"]
    assert await answer() == AREA
    await engine.close()


async def test_completion_grows_while_vllm_generates_it(
    vllm: Vllm, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository = make_repository({"primes.py": PRIMES_PREFIX}, name="shop")
    async with editing(repository, vllm, tmp_path) as editor:
        answer = await complete_at(editor, repository.path / "primes.py", PRIMES_PREFIX, "")
    growing = texts(answer)
    assert len(set(growing)) >= 3
    assert PRIMES.startswith(growing[-1])
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(growing))


@pytest.mark.parametrize(("files", "expected"), [
    ({"units.py": UNITS}, 'amount, currency="EUR"'),
    ({}, "amount"),
])  # fmt: skip
async def test_answer_that_needs_a_snippet_appears_only_when_it_is_retrieved(
    files: dict[str, str],
    expected: str,
    vllm: Vllm,
    make_repository: Callable[..., Repository],
    tmp_path: Path,
) -> None:
    repository = make_repository({"invoice.py": INVOICE_PREFIX + INVOICE_SUFFIX, **files}, name="shop")
    async with editing(repository, vllm, tmp_path) as editor:
        answer = await complete_at(editor, repository.path / "invoice.py", INVOICE_PREFIX, INVOICE_SUFFIX)
    assert final(answer) == expected


async def test_embedded_engine_stands_in_while_vllm_is_dead_and_vllm_comes_back(
    vllm: Vllm, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repeated = "".join(
        f"def add_{name}(order, price):\n    order.total = order.total + price\n    order.notify()\n\n\n"
        for name in ("book", "pen", "lamp", "desk")
    )
    prefix = repeated + "def add_chair(order, price):\n    order.total = "
    repository = make_repository({"primes.py": PRIMES_PREFIX, "orders.py": repeated}, name="shop")
    async with editing(repository, vllm, tmp_path) as editor:
        uri = (repository.path / "primes.py").as_uri()
        editor.open(uri, "python", PRIMES_PREFIX)
        started = asyncio.Event()
        asking = asyncio.create_task(
            editor.complete(uri, 1, 0, automatic=False, on_part=lambda _seconds, _value: started.set())
        )
        async with asyncio.timeout(30):
            await started.wait()
        vllm.kill()
        try:
            broken = final(await asking)
        except ServerAnsweredError:
            broken = ""
        assert PRIMES.startswith(broken.removesuffix("\n"))
        answer = await complete_at(editor, repository.path / "orders.py", prefix, "\n    order.notify()\n")
        assert final(answer) == "order.total + price"
        # A single failure leaves the ladder where it is; a few more make it look away from vLLM.
        async with asyncio.timeout(60):
            while (await editor.request("hearth/status", {}))["engine"]["rung"] != "embedded":
                await complete_at(editor, repository.path / "orders.py", prefix, "\n    order.notify()\n")

        await asyncio.to_thread(vllm.start)
        await editor.wait_for_notification("hearth/status", lambda value: _came_back(value, editor), 60)
        geometry = repository.path / "geometry.py"
        assert final(await complete_at(editor, geometry, AREA_PREFIX, AREA_SUFFIX)) == AREA


def _came_back(value: dict[str, Any], editor: Editor) -> bool:
    """Whether this status says vllm and is the newest."""
    newest = [parameters for _, method, parameters in editor.notifications if method == "hearth/status"][-1]
    return value is newest and bool(value["engine"]["rung"] == "vllm")
