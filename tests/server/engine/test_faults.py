"""A thousand of every fault, through the client and the ladder: nothing reaches the editor, nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from server.config import EngineConfig, ExplainConfig, VllmConfig
from server.engine.ladder import Ladder
from server.engine.vllm import VllmEngine
from server.types import ChatMessage, CompletionRequest, Prompt, Rung
from tests.patience import MODEL_LIMITS, WAIT_SECONDS
from tests.server.counting import Counting
from tests.server.engine.fault_server import (
    DONE,
    MODEL,
    FaultServer,
    answers,
    closes_after,
    event,
    fault_server,
    hangs_after,
    refuses,
    repeats,
)

TIMES = 1_000
AT_ONCE = 50
_MORE_ROUNDS = 2

PATIENT = VllmConfig(model=MODEL, connections=AT_ONCE, **MODEL_LIMITS)
HASTY = evolve(PATIENT, first_token_seconds=0.1, between_tokens_seconds=0.1, total_seconds=0.3)
REQUEST = CompletionRequest(path="a.py", language="python", prefix="x = ", suffix="\n")

WELL = answers(event("well", finish="stop"), DONE)
FAULTS = {
    "hangs before the headers": (hangs_after(), ""),
    "hangs after the headers": (hangs_after(b": wait\n\n"), ""),
    "hangs after the first token": (hangs_after(event("a")), "a"),
    "drips a byte of an event now and then": (repeats(b"d", 0.05), ""),
    "drips a token now and then for ever": (repeats(event("a"), 0.08), "a" * 40),
}
SLOW = set(FAULTS)
FAULTS |= {
    "malformed JSON": (answers(b"data: {\n\n"), ""),
    "malformed JSON after the first token": (answers(event("a"), b"data: {\n\n"), "a"),
    "closes before the headers": (closes_after(), ""),
    "closes after the first token": (closes_after(event("a")), "a"),
    "ends without an end": (answers(event("a")), "a"),
    "400": (refuses(400), ""),
    "401": (refuses(401), ""),
    "429": (refuses(429), ""),
    "500": (refuses(500, {"error": {"message": "x" * 100_000}}), ""),
    "503": (refuses(503), ""),
    "10 MB in one line": (answers(b"data: ", *[b"x" * 1_000_000] * 10), ""),
}


@dataclass(frozen=True, slots=True)
class Resources:
    """What the process holds now."""

    sockets: int
    tasks: int
    blocks: int
    """Of memory that Python has allocated."""
    resident_bytes: int

    @classmethod
    def now(cls) -> Resources:
        gc.collect()
        sockets = 0
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                sockets += str(descriptor.readlink()).startswith("socket:")
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return cls(sockets, len(asyncio.all_tasks()), sys.getallocatedblocks(), resident)


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_thousand_of_each(fault: str, server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    behaviour, before = FAULTS[fault]
    config = evolve(HASTY if fault in SLOW else PATIENT, url=server.url)
    engine = VllmEngine(config, ExplainConfig(), write_prompt=_prompt, write_explanation=_messages)
    ladder = Ladder([(Rung.VLLM, engine)], EngineConfig(failures=100))
    asked = Counting("hearth_engine_requests_total")
    caplog.set_level("ERROR")

    async def ask() -> str:
        async with ladder.complete(REQUEST) as stream:
            return "".join([delta.text async for delta in stream])

    async def ask_many(times: int) -> Resources:
        for _ in range(times // AT_ONCE):
            server.behaviour = behaviour
            for text in await asyncio.gather(*[ask() for _ in range(AT_ONCE)]):
                assert before.startswith(text)
            # An answer between lets the breaker go on letting all of them through.
            server.behaviour = WELL
            async with asyncio.timeout(WAIT_SECONDS):
                while await ask() != "well":
                    pass
        assert not [record.getMessage() for record in caplog.records if record.name.startswith("server.")]
        server.forget()
        await engine.close()
        # The server's own handlers end as the loop turns.
        if handlers := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(handlers, timeout=WAIT_SECONDS)
        # What they logged holds on to what they held.
        caplog.clear()
        return Resources.now()

    warm = await ask_many(TIMES // 4)
    before_last, done = warm, await ask_many(TIMES)
    for _ in range(_MORE_ROUNDS):
        # What is made once in a process may come late; a leak comes again with every round.
        if done.blocks - before_last.blocks >= TIMES:
            before_last, done = done, await ask_many(TIMES)
    await ladder.close()

    ended = {outcome: count for (_, _, outcome), count in asked.added().items()}
    assert ended.get("failed", 0) + ended.get("broken-off", 0) >= TIMES + TIMES // 4
    assert "passed-over" not in ended
    assert done.tasks == warm.tasks
    assert done.sockets <= warm.sockets
    # Less than one object a fault, and far less than the bytes of the faults.
    assert done.blocks - before_last.blocks < TIMES
    assert done.resident_bytes - warm.resident_bytes < 48_000_000


async def _prompt(request: CompletionRequest, _model: str) -> Prompt:
    return Prompt(request.prefix)


async def _messages(_request: Any) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", "why?"),)
