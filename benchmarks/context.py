"""Does the context of a completion hold what the developer uses next?

``python -m benchmarks.context --repo PATH [--cursors N] [--seed N]``. For random
cursors at line starts, the next three lines are held out and the context is gathered from what stands above and below.
A case counts as found at k when one of the k best snippets shows the definition of a name that the held-out lines use.
Beside it, in the same run and scored in the same way: BM25 of the surrounding lines with the last three doubled, and
Hearth's whole search on the same query (its time is for 200 hits, of which BM25 is the order by words alone).

What counts as the right definition is settled without the imports, so that it does not favour the method under test: a
name used in the held-out lines, of at least four letters, with exactly one definition in the repository, in another
file of the same language. Left out, so the figures say nothing about them: names with several definitions, names that
the same file defines or binds, files of fewer than 30 lines, and cursors whose next three lines use no such name. The
import of a name is visible, as it is in mature code; the columns of new names count only those that the 40 lines above
do not mention.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.report import environment, summary, write
from indexer.api import Index, parse_source
from indexer.config import IndexConfig
from indexer.types import Hit, IndexJob, Progress, Scope, SymbolHit, SymbolKind
from indexer.worker import run_job
from server.config import ContextConfig
from server.context import ContextGatherer
from server.context.surroundings import look_around
from server.syntax import bound_names, lex, name_uses
from server.types import CompletionRequest

LANGUAGES = frozenset(
    {"python", "javascript", "typescript", "tsx", "go", "java", "rust", "c", "cpp", "csharp", "ruby", "php", "kotlin"}
)
_HELD_OUT = 3
_LEAST_LINES = 30
_LEAST_NAME = 4
_NEAR_LINES = 40
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A cursor and the places of the definitions that the held-out lines use."""

    request: CompletionRequest
    wanted: tuple[tuple[str, int], ...]
    """``(path, line)`` of each."""
    fresh: tuple[tuple[str, int], ...]
    """Those whose name does not stand in the lines just above."""


@dataclass(slots=True)
class Tally:
    """Cases found among the best 5 and 10, and times in seconds."""

    cases: int = 0
    at_5: int = 0
    at_10: int = 0
    fresh_cases: int = 0
    fresh_at_5: int = 0
    fresh_at_10: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, case: Case, places: Sequence[tuple[str, int, int]], seconds: float) -> None:
        """Count one case; ``places`` are ``(path, first line, last line)``, best first."""
        self.cases += 1
        self.at_5 += _shows(places[:5], case.wanted)
        self.at_10 += _shows(places[:_DEPTH], case.wanted)
        self.seconds.append(seconds)
        if case.fresh:
            self.fresh_cases += 1
            self.fresh_at_5 += _shows(places[:5], case.fresh)
            self.fresh_at_10 += _shows(places[:_DEPTH], case.fresh)


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.context", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[1], help="a git repository")
    parser.add_argument("--ref", default="", help="branch, tag or commit (default: the repository's HEAD)")
    parser.add_argument("--data", type=Path, help="keep the index here and use what is there")
    parser.add_argument("--cursors", type=int, default=300, help="how many cases (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or Path(scratch)
        console.print(f"indexing {arguments.repo}")
        refs = (arguments.ref,) if arguments.ref else ()
        [report, *_] = run_job(
            IndexJob(str(arguments.repo), refs=refs), data, IndexConfig(), _ignore_progress, wait_seconds=60.0
        )
        with Index.open(data) as index:
            cases = list(find_cases(index, report.repository, report.ref, arguments.cursors, arguments.seed))
            if not cases:
                console.print("no cursor whose next lines use a definition of another file")
                return 1
            tallies = measure(index, cases)
    values = {
        **environment(),
        "repository": report.repository,
        "indexed_commit": report.commit,
        "chunks": report.chunks,
        "seed": arguments.seed,
        "cases": len(cases),
        "results": {name: _figures(tally) for name, tally in tallies.items()},
    }
    _show(Console(), report.repository, tallies)
    console.print(f"written to {write('context', values, arguments.output)}")
    return 0


def find_cases(index: Index, repository: str, ref: str, wanted: int, seed: int) -> Iterator[Case]:
    """Yield up to ``wanted`` cases, one a file before any file has a second."""
    randomness = random.Random(seed)
    paths = [path for path in index.paths(repository, ref) if index.language(repository, ref, path) in LANGUAGES]
    randomness.shuffle(paths)
    found = 0
    for _ in range(8):
        for path in paths:
            if found >= wanted:
                return
            case = _case(index, repository, ref, path, randomness)
            if case is not None:
                found += 1
                yield case


def measure(index: Index, cases: Sequence[Case]) -> dict[str, Tally]:
    """Gather the context of every case in three ways."""
    tallies = {name: Tally() for name in ("BM25 of the lines", "search of the lines", "gathered context")}
    # Packing is not what is measured here: ten snippets must fit, else depth 10 would be cut for one method only.
    gatherer = ContextGatherer(index, ContextConfig(tokens=20_000, max_snippets=_DEPTH))
    try:
        for case in cases:
            request = case.request
            scope = Scope(frozenset({request.repository}), request.ref, frozenset({(request.repository, request.path)}))
            parsed = parse_source(request.prefix + request.suffix, request.language)
            query = look_around(request.prefix, request.suffix, request.language, parsed).query
            started = time.perf_counter()
            hits = index.search(query, scope, 200)
            tallies["search of the lines"].add(case, _places(hits), time.perf_counter() - started)
            by_words = sorted(hits, key=lambda hit: -hit.lexical)
            tallies["BM25 of the lines"].add(case, _places(by_words), 0.0)
            started = time.perf_counter()
            # Each case is a document's first request: nothing remembered helps it.
            gatherer.forget(request.path, repository=request.repository)
            context = gatherer.gather(request, deadline_ms=0)
            elapsed = time.perf_counter() - started
            best_first = sorted(context.snippets, key=lambda snippet: -snippet.score)
            places = [(snippet.path, snippet.start_line, snippet.end_line) for snippet in best_first]
            tallies["gathered context"].add(case, places, elapsed)
    finally:
        gatherer.close()
    return tallies


def _case(index: Index, repository: str, ref: str, path: str, randomness: random.Random) -> Case | None:
    text = index.file_text(repository, ref, path) or ""
    language = index.language(repository, ref, path) or ""
    lines = text.split("\n")
    if len(lines) < _LEAST_LINES:
        return None
    own = {symbol.name for symbol in index.symbols_of(repository, ref, path)}
    bound = bound_names(lex(text, language))
    for _ in range(12):
        cursor = randomness.randrange(5, len(lines) - _HELD_OUT)
        held_out = lines[cursor : cursor + _HELD_OUT]
        used = {use.name for use in name_uses(lex("\n".join(held_out), language))} - own - bound
        used = {name for name in used if len(name) >= _LEAST_NAME}
        if not used or any(line.lstrip().startswith(("import ", "from ", "use ", "package ")) for line in held_out):
            continue
        places = {
            name: place
            for name in used
            if (place := _only_definition(index, repository, ref, name, path=path, language=language))
        }
        if not places:
            continue
        near = {use.name for use in name_uses(lex("\n".join(lines[max(0, cursor - _NEAR_LINES) : cursor]), language))}
        request = CompletionRequest(
            path=path,
            language=language,
            prefix="\n".join(lines[:cursor]) + "\n",
            suffix="\n" + "\n".join(lines[cursor + _HELD_OUT :]),
            repository=repository,
            ref=ref,
            scope=Scope(frozenset({repository}), ref),
        )
        return Case(
            request,
            tuple(sorted(places.values())),
            tuple(sorted(place for name, place in places.items() if name not in near)),
        )
    return None


def _only_definition(
    index: Index, repository: str, ref: str, name: str, *, path: str, language: str
) -> tuple[str, int] | None:
    hits = index.definitions(name, Scope(frozenset({repository}), ref), 3)
    kept: list[SymbolHit] = [hit for hit in hits if hit.symbol.kind is not SymbolKind.HEADING]
    if len(kept) != 1 or kept[0].path == path or kept[0].language != language:
        return None
    return kept[0].path, kept[0].symbol.start_line


def _shows(places: Sequence[tuple[str, int, int]], wanted: Sequence[tuple[str, int]]) -> bool:
    return any(path == shown and first <= line <= last for path, line in wanted for shown, first, last in places)


def _places(hits: Sequence[Hit]) -> list[tuple[str, int, int]]:
    """The hits' places with at most two of one file, as the context has it."""
    counts: Counter[str] = Counter()
    places = []
    for hit in hits:
        counts[hit.path] += 1
        if counts[hit.path] <= 2:
            places.append((hit.path, hit.start_line, hit.end_line))
    return places


def _figures(tally: Tally) -> dict[str, float]:
    figures: dict[str, float] = {
        "recall_at_5": round(tally.at_5 / tally.cases, 4),
        "recall_at_10": round(tally.at_10 / tally.cases, 4),
        "fresh_cases": tally.fresh_cases,
    }
    if tally.fresh_cases:
        figures["fresh_recall_at_5"] = round(tally.fresh_at_5 / tally.fresh_cases, 4)
        figures["fresh_recall_at_10"] = round(tally.fresh_at_10 / tally.fresh_cases, 4)
    return {**figures, **summary("gather", tally.seconds)}


def _show(console: Console, repository: str, tallies: dict[str, Tally]) -> None:
    cases = next(iter(tallies.values()))
    table = Table(title=f"{repository}: {cases.cases} cursors, {cases.fresh_cases} with names not seen just above")
    table.add_column("context from")
    for column in ("@5", "@10", "new names @5", "@10", "p50 ms", "p95 ms"):
        table.add_column(column, justify="right")
    for name, tally in tallies.items():
        figures = _figures(tally)
        table.add_row(
            name,
            *(f"{figures.get(key, 0.0):.3f}" for key in ("recall_at_5", "recall_at_10")),
            *(f"{figures.get(key, 0.0):.3f}" for key in ("fresh_recall_at_5", "fresh_recall_at_10")),
            *(f"{figures[f'{key}_gather_ms']:.1f}" if any(tally.seconds) else "" for key in ("p50", "p95")),
        )
    console.print(table)


def _ignore_progress(_: Progress) -> None:
    """Indexing is not what is measured."""


if __name__ == "__main__":
    sys.exit(main())
