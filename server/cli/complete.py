"""``hearth complete``."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.live import Live
from rich.text import Text

from indexer.terminal import visible
from indexer.types import Scope
from server.cli.assembly import Program, assemble, running
from server.cli.cases import Line, read_cases, request_for
from server.cli.output import error_object, print_json
from server.cli.places import parse_cursor
from server.completion import bounded
from server.completion.postprocess import cursor_of, settle
from server.config import CompletionConfig, HearthConfig
from server.engine.embedded import EmbeddedEngine
from server.errors import EngineUnavailable, InvalidCaseFile
from server.types import Completion, CompletionRequest, Rung


def complete_place(place: str, config: HearthConfig, *, only: str | None, as_json: bool) -> None:
    """Complete at ``FILE:LINE:COL``: growing on a terminal, as plain text elsewhere, or as JSON.

    Raises:
        IndexerError: The place does not exist, the index cannot be read, or the engine ``only`` could not answer.
    """
    asyncio.run(_complete_place(place, _patient(config), only=only, as_json=as_json))


def complete_cases(
    file: Path, config: HearthConfig, *, only: str | None, floor: float | None, keep_going: bool, as_json: bool
) -> None:
    """Complete every case of a file, one line of output for each, in order.

    Raises:
        InvalidCaseFile: A line is not usable, unless ``keep_going``.
        IndexerError: The index cannot be read.
    """
    program = assemble(config, only=Rung(only) if only else None)
    # The event loop runs only while a model server is asked, so that an interrupt ends reading and computing at once.
    with asyncio.Runner() as runner:
        try:
            for line in read_cases(file):
                try:
                    answer = _complete_case(line, file, program, floor, runner)
                except InvalidCaseFile as error:
                    if not keep_going:
                        raise
                    answer = {"id": line.id, "error": error_object(error)}
                if as_json:
                    print_json(answer)
                else:
                    _print_case(answer)
        finally:
            runner.run(program.close())


def _patient(config: HearthConfig) -> HearthConfig:
    """Give a model server the time of an explanation: nobody types on meanwhile, and a first request may warm it up."""
    vllm = config.engine.vllm
    patient = attrs.evolve(
        vllm,
        first_token_seconds=max(vllm.first_token_seconds, vllm.explain_first_token_seconds),
        total_seconds=max(vllm.total_seconds, vllm.explain_total_seconds),
    )
    completion = attrs.evolve(
        config.completion, deadline_ms=max(config.completion.deadline_ms, round(patient.first_token_seconds * 1000))
    )
    return attrs.evolve(config, engine=attrs.evolve(config.engine, vllm=patient), completion=completion)


async def _complete_place(place: str, config: HearthConfig, *, only: str | None, as_json: bool) -> None:
    async with running(config, only=Rung(only) if only else None) as program:
        cursor = await asyncio.to_thread(parse_cursor, place, program.index)
        document = cursor.document
        own = {(document.repository, document.path)} if document.repository else set()
        request = CompletionRequest(
            path=document.path,
            language=document.language,
            prefix=document.text[: cursor.offset],
            suffix=document.text[cursor.offset :],
            repository=document.repository,
            scope=Scope(exclude=frozenset(own)),
        )
        started = time.perf_counter()
        if as_json or not sys.stdout.isatty():
            update = await program.completion.complete(request)
            text, engine, confidence = update.text, update.engine, update.confidence
        else:
            text, engine, confidence = await _on_terminal(program, request)
        milliseconds = (time.perf_counter() - started) * 1000
    if only is not None and engine == Rung.QUIET:
        raise EngineUnavailable(f"The engine {only} could not answer", advice="The line above says why.")
    if as_json:
        completions = [_as_object(Completion(text, confidence, engine))] if text else []
        print_json({"completions": completions, "engine": engine, "ms": round(milliseconds, 3)})
    elif not text:
        # Which other engine failed, and why, stands above.
        why = ": the embedded engine is not sure enough" if engine == Rung.EMBEDDED else ""
        sys.stderr.write(f"Nothing to suggest here{why}.\n")
    elif not sys.stdout.isatty():
        sys.stdout.write(text + "\n")
    else:
        sys.stderr.write(f"{engine}, {milliseconds:.0f} ms\n")


async def _on_terminal(program: Program, request: CompletionRequest) -> tuple[str, str, float]:
    """Show the line at the cursor with the suggestion growing in it."""
    before = request.prefix.rpartition("\n")[2]
    after = request.suffix.partition("\n")[0].removesuffix("\r")
    text, engine, confidence = "", "", -1.0
    with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="visible") as live:
        async with program.completion.stream(request) as updates:
            async for update in updates:
                text, engine, confidence = update.text, update.engine, update.confidence
                live.update(
                    Text.assemble(visible(before), (visible(text), "cyan"), (visible(after), "dim")), refresh=True
                )
    return text, engine, confidence


def _complete_case(
    line: Line, file: Path, program: Program, floor: float | None, runner: asyncio.Runner
) -> dict[str, Any]:
    if line.case is None:
        raise line.error or InvalidCaseFile(f"{file}:{line.number}: not a case")
    request = request_for(line, line.case, file, program.index)
    started = time.perf_counter()
    if program.embedded is not None and program.ladder.rung is Rung.EMBEDDED:
        completions = _alternatives(program.embedded, request, program.config.completion, floor)
    else:
        update = runner.run(program.completion.complete(request))
        completions = [Completion(update.text, update.confidence, update.engine)] if update.text else []
    milliseconds = (time.perf_counter() - started) * 1000
    return {
        "id": line.id,
        "completions": [_as_object(completion) for completion in completions],
        "ms": round(milliseconds, 3),
    }


def _alternatives(
    engine: EmbeddedEngine, request: CompletionRequest, config: CompletionConfig, floor: float | None
) -> list[Completion]:
    """Return what the embedded engine proposes, made to fit as in the editor, without repetitions, surest first."""
    request = bounded(request, config)
    cursor = cursor_of(request, max_lines=config.max_lines)
    settled: dict[str, Completion] = {}
    for completion in engine.suggest(request, floor=floor):
        text = settle(completion.text, cursor, final=True).text
        if text and (text not in settled or settled[text].confidence < completion.confidence):
            settled[text] = replace(completion, text=text)
    return sorted(settled.values(), key=lambda completion: -completion.confidence)


def _as_object(completion: Completion) -> dict[str, Any]:
    return {
        "text": completion.text,
        "confidence": round(completion.confidence, 4),
        "source": completion.source,
    }


def _print_case(answer: dict[str, Any]) -> None:
    if "error" in answer:
        sys.stdout.write(f"{answer['id']}\t{answer['error']['message']}\n")
    else:
        best = answer["completions"][0]["text"] if answer["completions"] else ""
        sys.stdout.write(f"{answer['id']}\t{answer['ms']:.1f} ms\t{best!r}\n")
    sys.stdout.flush()
