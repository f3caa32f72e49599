"""``hearth explain``."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown

from indexer.terminal import visible, visible_name
from server.cli.assembly import running
from server.cli.output import print_json, report
from server.cli.places import parse_lines
from server.config import HearthConfig
from server.errors import EngineError
from server.explain import Explainer, ExplainTarget, Explanation
from server.types import Rung


def explain_place(place: str, config: HearthConfig, *, only: str | None, question: str, as_json: bool) -> int:
    """Explain ``FILE:LINE[-LINE]``: as it is written on a terminal, as plain Markdown elsewhere, or as JSON.

    Returns the exit status, which says whether the explanation is whole.

    Raises:
        IndexerError: The place does not exist, or no engine could answer.
    """
    explanation = asyncio.run(_explain(place, config, only=only, question=question, as_json=as_json))
    if not explanation.ended_early:
        return 0
    report("ended-early", "The explanation ended early", explanation.ended_early, as_json=False)
    return EngineError.exit_code


async def _explain(place: str, config: HearthConfig, *, only: str | None, question: str, as_json: bool) -> Explanation:
    async with running(config, only=Rung(only) if only else None) as program:
        lines = await asyncio.to_thread(parse_lines, place, program.index)
        target = ExplainTarget(
            path=lines.document.path,
            language=lines.document.language,
            text=lines.document.text,
            start_line=lines.start_line,
            end_line=lines.end_line,
            whole_symbol=lines.one_line,
            repository=lines.document.repository,
            question=question,
        )
        if as_json:
            explanation = await _silently(program.explainer, target)
            citations = [{"number": item.number, **asdict(item.citation)} for item in explanation.citations]
            print_json(
                {
                    "markdown": explanation.markdown,
                    "engine": explanation.engine,
                    "ended_early": explanation.ended_early,
                    "citations": citations,
                }
            )
            return explanation
        write = _on_terminal if sys.stdout.isatty() else _as_plain_text
        explanation = await write(program.explainer, target)
        _list_sources(explanation)
        return explanation


async def _silently(explainer: Explainer, target: ExplainTarget) -> Explanation:
    async with explainer.stream(target) as stream:
        async for _ in stream:
            pass
        return stream.result


async def _on_terminal(explainer: Explainer, target: ExplainTarget) -> Explanation:
    """Render what is written so far; finished paragraphs are printed for good, so that they may scroll away."""
    console = Console()
    async with explainer.stream(target) as stream:
        with Live(console=console, auto_refresh=False) as live:
            growing = ""
            async for delta in stream:
                finished, growing = finished_blocks(growing + visible(delta))
                if finished:
                    live.console.print(Markdown(finished))
                    live.console.print()
                live.update(Markdown(growing), refresh=True)
        return stream.result


def finished_blocks(text: str) -> tuple[str, str]:
    """Split Markdown after its last blank line outside of a fence: what comes before cannot change any more."""
    fence = ""
    cut = position = 0
    for line in text.splitlines(keepends=True):
        position += len(line)
        stripped = line.strip()
        if fence:
            fence = "" if stripped == fence else fence
        elif stripped.startswith("```"):
            fence = stripped[: len(stripped) - len(stripped.lstrip("`"))]
        elif not stripped and line.endswith("\n"):
            cut = position
    return text[:cut].strip("\n"), text[cut:]


async def _as_plain_text(explainer: Explainer, target: ExplainTarget) -> Explanation:
    async with explainer.stream(target) as stream:
        async for delta in stream:
            sys.stdout.write(delta)
            sys.stdout.flush()
        sys.stdout.write("\n")
        return stream.result


def _list_sources(explanation: Explanation) -> None:
    if explanation.citations:
        sys.stdout.write("\nSources\n")
    for item in explanation.citations:
        place = item.citation
        path = visible_name(place.path)
        file = f"{place.repository}:{path}" if place.repository else path
        where = f"{file}:{place.start_line}-{place.end_line}"
        commit = f" @ {place.commit[:12]}" if place.commit else ""
        title = f"  {visible_name(place.title)}" if place.title else ""
        sys.stdout.write(f"  [{item.number}] {where}{commit}{title}\n")
    sys.stdout.flush()
