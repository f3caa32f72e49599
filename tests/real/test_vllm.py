"""The language server in front of a real vLLM.

The model is made here and knows a handful of prompts by heart, written out literally below as the model families'
documents describe them. It answers each exactly, and something else when the layout differs, so that these tests fail
when a marker is missing, the order is wrong, or a snippet is not where it belongs.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from benchmarks.demo import HEARTH
from benchmarks.editor import VSCODE_CAPABILITIES, Editor, ServerAnsweredError, Streamed, open_editor
from server.cli.assembly import allowed_formats, make_vllm
from server.config import EngineConfig, ExplainConfig, HearthConfig, VllmConfig
from server.engine.vllm import VllmEngine
from server.prompt import ModelPrompts
from server.types import Caller, ChatMessage, CompletionRequest, ExplainRequest, Prompt
from tests.conftest import Repository
from tests.patience import MODEL_LIMITS, PATIENT, WAIT_SECONDS, patient_model
from tests.real.vllm_process import Vllm, tiny_model, vllm_python
from tests.server.counting import Counting

pytestmark = pytest.mark.real

QWEN = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]
SEED = ["<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"]

AREA_PREFIX = "def area(width, height):\n    return "
AREA_SUFFIX = "\n\n\ndef perimeter(width, height):\n    return 2 * (width + height)\n"
AREA = "width * height"

UNITS = 'def to_cents(amount, currency="EUR"):\n    """Return the amount in cents."""\n    return round(amount * 100)\n'
INVOICE_PREFIX = "from units import to_cents\n\n\ndef total(amount):\n    return to_cents("
INVOICE_SUFFIX = ")\n"

COMPLETION = CompletionRequest(path="a.py", language="python", prefix="PRIMES = [\n", suffix="")
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

EXPLANATION = ExplainRequest(
    path="a.py",
    language="python",
    text=next(prompt for prompt, answer in EXAMPLES.items() if answer == PRIMES),
    start_line=1,
    end_line=1,
)


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


@pytest.fixture
async def engine(vllm: Vllm) -> AsyncIterator[VllmEngine]:
    """The engine alone, with prompts that are the text before the cursor."""

    async def write_prompt(request: CompletionRequest, _model: str) -> Prompt:
        return Prompt(request.prefix)

    async def write_explanation(request: ExplainRequest) -> tuple[ChatMessage, ...]:
        return (ChatMessage("user", request.text),)

    config = VllmConfig(
        url=vllm.url,
        model="qwen2.5-coder-tiny",
        explain_temperature=0.0,
        **MODEL_LIMITS,
    )
    engine = VllmEngine(
        config, ExplainConfig(max_tokens=1024), write_prompt=write_prompt, write_explanation=write_explanation
    )
    yield engine
    await engine.close()


async def logged(vllm: Vllm, position: int, text: str, times: int) -> None:
    """Wait until vLLM has logged a text so often from a byte of its log on."""
    deadline = time.perf_counter() + WAIT_SECONDS
    while vllm.log_from(position).count(text) < times:
        assert time.perf_counter() < deadline, f"vLLM has not logged {text!r} {times} times in time"
        await asyncio.sleep(0.002)


def ended_by_themselves(vllm: Vllm) -> dict[str, float]:
    """Count the requests that vLLM generated to their end."""
    return {reason: vllm.metric("vllm:request_success_total", finished_reason=reason) for reason in ("stop", "length")}


@asynccontextmanager
async def editing(
    repository: Repository, vllm: Vllm, tmp_path: Path, fim_format: str = "qwen2.5-coder"
) -> AsyncIterator[Editor]:
    """An editor with this repository open and indexed, and its language server in front of vLLM."""
    configuration = tmp_path / "hearth.toml"
    configuration.write_text(
        "[engine]\nretry_seconds = 0.5\nretry_max_seconds = 2.0\n"
        f'{patient_model(vllm.url)}model = "qwen2.5-coder-tiny"\nformat = "{fim_format}"\n'
        # The test machines are slow and shared; what is tested here is what context does, not how fast it is found.
        + PATIENT.replace("[completion]", "[completion]\nmax_tokens = 200")
        + '[log]\nlevel = "debug"\n'
    )
    command = [HEARTH, "lsp", "--data", str(tmp_path / "data"), "--config", str(configuration)]
    async with open_editor(command) as editor:
        await editor.initialize(repository.path, VSCODE_CAPABILITIES)
        await editor.wait_for_notification(
            "hearth/status", lambda value: value["index"]["state"] == "ready", WAIT_SECONDS
        )
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
    settings = VllmConfig(url=vllm.url, model="qwen2.5-coder-tiny", format=fim_format, **MODEL_LIMITS)
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
        # How many parts depends on how often a busy machine lets both sides run; always one would mean that nothing
        # streams.
        for _ in range(10):
            growing = texts(await complete_at(editor, repository.path / "primes.py", PRIMES_PREFIX, ""))
            assert PRIMES.startswith(growing[-1])
            assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(growing))
            if len(set(growing)) >= 2:
                break
    assert len(set(growing)) >= 2


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


async def test_cancel_in_the_editor_aborts_the_generation_in_vllm(
    vllm: Vllm, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    # vLLM 0.32 never counts this under request_success_total{finished_reason="abort"}: its front end forgets a request
    # whose client has gone before the engine says how it ended (AsyncLLM.abort). Its log tells, and what still runs.
    repository = make_repository({"primes.py": PRIMES_PREFIX}, name="shop")
    aborted: list[tuple[int, str]] = []
    async with editing(repository, vllm, tmp_path) as editor:
        uri = (repository.path / "primes.py").as_uri()
        for _ in range(30):
            editor.open(uri, "python", PRIMES_PREFIX)  # nothing is kept of the try before
            log_length, ended = vllm.log.stat().st_size, ended_by_themselves(vllm)
            asking = asyncio.create_task(editor.complete(uri, 1, 0, automatic=False))
            await logged(vllm, log_length, "Added request cmpl-", 1)
            asking.cancel()
            cancelled = time.perf_counter()
            while not (found := re.search(r"Request cmpl-([0-9a-f]{16})-0\S* aborted", vllm.log_from(log_length))):
                # The text is short: on a busy machine it may have been whole before the cancel came.
                if ended_by_themselves(vllm) != ended:
                    break
                assert time.perf_counter() < cancelled + WAIT_SECONDS, "vLLM has neither aborted nor ended"
                await asyncio.sleep(0.005)
            if found is not None:
                aborted.append((round((time.perf_counter() - cancelled) * 1000), found[1]))
                while vllm.metric("vllm:num_requests_running") > 0:  # told with the engine's next step
                    assert time.perf_counter() < cancelled + WAIT_SECONDS, "vLLM still generates"
                    await asyncio.sleep(0.005)
                assert ended_by_themselves(vllm) == ended
            if len(aborted) == 10:
                break
    print(f"milliseconds from a cancel in the editor to the abort in vLLM's log: {sorted(took for took, _ in aborted)}")
    assert len(aborted) >= 3
    log = (tmp_path / "data" / "logs" / "lsp.log").read_text()
    assert all(f"[{identifier}] " in log for _, identifier in aborted)


async def test_the_tokens_of_prompts_are_those_that_vllm_counts(vllm: Vllm, engine: VllmEngine) -> None:
    async def vllm_counted() -> float:
        async with ClientSession() as client, client.get(f"{vllm.url}/metrics") as answer:
            return sum(map(float, re.findall(r"^vllm:prompt_tokens_total\{.*\} (\S+)$", await answer.text(), re.M)))

    tokens, before = Counting("hearth_engine_prompt_tokens_total"), await vllm_counted()
    async with engine.complete(replace(COMPLETION, max_tokens=4)) as deltas:
        assert [delta async for delta in deltas]
    async with engine.complete(COMPLETION) as deltas:
        await anext(deltas)
    async with engine.explain(EXPLANATION) as deltas:
        assert [delta async for delta in deltas]
    by_task = {labels[1]: count for labels, count in tokens.added().items()}
    assert by_task.keys() == {"complete", "explain"}
    assert all(by_task.values())
    # vLLM counts with its next step, which may come after the answer.
    async with asyncio.timeout(WAIT_SECONDS):
        while await vllm_counted() - before != sum(by_task.values()):  # noqa: ASYNC110 -- another process counts
            await asyncio.sleep(0.05)


async def test_tenants_share_nothing_of_what_vllm_keeps_of_prompts(vllm: Vllm, engine: VllmEngine) -> None:
    unique = "".join(f"value_{number} = {number * 7}\n" for number in range(60))

    async def hits(tenant: str) -> float:
        before = vllm.metric("vllm:prefix_cache_hits_total")
        caller = Caller(tenant=tenant)
        async with engine.complete(replace(COMPLETION, prefix=unique, caller=caller, max_tokens=4)) as deltas:
            assert [delta async for delta in deltas]
        return vllm.metric("vllm:prefix_cache_hits_total") - before

    assert await hits("shop") == 0
    assert await hits("shop") > 0
    assert await hits("bank") == 0
    assert await hits("bank") > 0
    assert await hits("") == 0


async def test_a_completion_overtakes_explanations_that_wait(vllm: Vllm, engine: VllmEngine) -> None:
    log_length = vllm.log.stat().st_size
    done: list[str] = []

    async def explain() -> None:
        async with engine.explain(EXPLANATION) as deltas:
            assert [delta async for delta in deltas]
        done.append("explanation")

    async def complete() -> None:
        async with engine.complete(replace(COMPLETION, max_tokens=4)) as deltas:
            assert [delta async for delta in deltas]
        done.append("completion")

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(explain())
        await logged(vllm, log_length, "Added request chatcmpl-", 16)
        group.create_task(complete())
    # In the order of their arrival it would be the last of all. How many went before it says only how long this
    # process was kept from asking.
    assert done.index("completion") < 14


async def test_a_connection_that_was_idle_for_longer_than_vllm_keeps_it_costs_nothing(
    vllm: Vllm, engine: VllmEngine
) -> None:
    for pause in (6.0, 0.0):
        log_length = vllm.log.stat().st_size
        async with engine.complete(replace(COMPLETION, max_tokens=4)) as deltas:
            assert [delta async for delta in deltas]
        assert vllm.log_from(log_length).count("POST /v1/completions") <= 1
        await asyncio.sleep(pause)


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
        async with asyncio.timeout(WAIT_SECONDS):
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
        async with asyncio.timeout(WAIT_SECONDS):
            while (await editor.request("hearth/status", {}))["engine"]["rung"] != "embedded":
                await complete_at(editor, repository.path / "orders.py", prefix, "\n    order.notify()\n")

        await asyncio.to_thread(vllm.start)
        await editor.wait_for_notification("hearth/status", lambda value: _came_back(value, editor), WAIT_SECONDS)
        geometry = repository.path / "geometry.py"
        assert final(await complete_at(editor, geometry, AREA_PREFIX, AREA_SUFFIX)) == AREA


def _came_back(value: dict[str, Any], editor: Editor) -> bool:
    """Whether this status says vllm and is the newest."""
    newest = [parameters for _, method, parameters in editor.notifications if method == "hearth/status"][-1]
    return value is newest and bool(value["engine"]["rung"] == "vllm")
