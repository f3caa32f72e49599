"""Command line of the benchmark of the embedded engine."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.embedded_engine.cursors import (
    SMALL,
    VARIANTS,
    Cursor,
    SourceFile,
    draw,
    hold_out,
    part_of,
    read_repository,
)
from benchmarks.embedded_engine.measures import Outcome, calibration, summarise
from benchmarks.embedded_engine.training import fit
from benchmarks.report import environment, write
from indexer.corpus import Corpus
from server.engine.embedded.features import NAMES
from server.engine.embedded.prefixes import NAMES as BEGINNING_NAMES
from server.engine.embedded.prefixes import common_prefixes
from server.engine.embedded.ranker import Model, Ranker
from server.engine.embedded.suggester import Suggester

SPEAKS = 0.5
"""The confidence from which the engine speaks unless configured otherwise."""
_PARTS = 6
_WEIGHTS = Path(__file__).parents[2] / "server" / "engine" / "embedded" / "weights.json"


@dataclass(frozen=True, slots=True)
class Observed:
    """One cursor as the engine saw it: a row of features and a text for each candidate."""

    cursor: Cursor
    features: npt.NDArray[np.float32]
    texts: tuple[str, ...]
    copied: str
    milliseconds: float

    @property
    def labels(self) -> npt.NDArray[np.bool_]:
        """Whether each candidate is what had been written."""
        truth = self.cursor.truth.strip()
        return np.array([bool(truth) and text.strip() == truth for text in self.texts], dtype=bool)


@dataclass(frozen=True, slots=True)
class _OneCorpus:
    held: Corpus

    def corpus(self, repository: str, ref: str = "") -> Corpus | None:
        """Return the one corpus there is."""
        return self.held if repository and not ref else None


def observe(path: Path, count: int, seed: int) -> list[Observed]:
    """Draw cursors in one repository, and some more in small parts of it, and gather the candidates at each."""
    files = read_repository(path)
    observed = _observe(files, count, seed, repository_name(path))
    for part in range(_PARTS):
        few = _observe(part_of(files, seed + part), count // 12, seed + part, repository_name(path))
        observed += [
            replace(one, cursor=replace(one.cursor, variant=SMALL)) for one in few if one.cursor.variant == "full"
        ]
    return observed


def _observe(files: list[SourceFile], count: int, seed: int, name: str) -> list[Observed]:
    with tempfile.TemporaryDirectory() as directory:
        held, corpus = hold_out(files, seed, Path(directory))
        suggester = Suggester(_OneCorpus(corpus), None)
        observed = []
        for cursor in draw(held, count, seed, name) if held else ():
            # Processor time of this thread: what the answer costs, whatever else runs on the machine.
            began = time.thread_time()
            ranked = suggester.rank(cursor.request)
            elapsed = (time.thread_time() - began) * 1000
            candidates = ranked.pool.candidates
            copied = max(candidates, key=lambda c: (c.depth, c.vote_share), default=None)
            texts = tuple(ranked.text_of(candidate) for candidate in candidates)
            observed.append(Observed(cursor, ranked.features, texts, copied.text if copied else "", elapsed))
        suggester.clear()
    return observed


def outcomes(observed: list[Observed], ranker: Ranker) -> list[Outcome]:
    """Let ``ranker`` choose at each cursor."""
    made = []
    for one in observed:
        confidence = ranker.lines.probabilities(one.features) if one.texts else np.zeros(0)
        best = int(confidence.argmax()) if len(confidence) else -1
        made.append(
            Outcome(
                one.texts[best] if best >= 0 else "",
                float(confidence[best]) if best >= 0 else 0.0,
                one.cursor.truth,
                one.copied,
                bool(one.labels.any()),
                one.cursor.variant,
                one.milliseconds,
            )
        )
    return made


def train(observed: list[Observed]) -> Ranker:
    """Fit a ranker on all candidates of ``observed``, and then on what they have in common."""
    lines = fit_lines(observed)
    return Ranker(lines, fit_beginnings(observed, lines))


def fit_lines(observed: list[Observed]) -> Model:
    """Fit the model of whole lines."""
    features = np.concatenate([one.features for one in observed if one.texts])
    labels = np.concatenate([one.labels for one in observed if one.texts])
    return fit(features, labels, NAMES)


def fit_beginnings(observed: list[Observed], lines: Model) -> Model:
    """Fit the model of beginnings on cursors at which no whole line is likely."""
    rows, labels = [], []
    for one in observed:
        confidence = lines.probabilities(one.features) if one.texts else np.zeros(0)
        if one.cursor.variant == "flat" or not 0 < confidence.max(initial=0.0) < SPEAKS:
            continue
        prefixes, features = common_prefixes(one.texts, confidence, one.features)
        rows.append(features)
        labels += [one.cursor.truth.startswith(prefix) for prefix in prefixes]
    return fit(np.concatenate(rows), np.array(labels, dtype=bool), BEGINNING_NAMES)


def beginnings(observed: list[Observed], ranker: Ranker) -> list[tuple[float, bool]]:
    """Return confidence and correctness of the beginnings proposed where no whole line is likely."""
    made = []
    for one in observed:
        confidence = ranker.lines.probabilities(one.features) if one.texts else np.zeros(0)
        if one.cursor.variant == "flat" or not 0 < confidence.max(initial=0.0) < SPEAKS:
            continue
        prefixes, features = common_prefixes(one.texts, confidence, one.features)
        likely = ranker.beginnings.probabilities(features) if prefixes else np.zeros(0)
        found = [row for row in range(len(prefixes)) if likely[row] >= SPEAKS]
        if found:
            longest = max(found, key=lambda row: (len(prefixes[row]), likely[row]))
            made.append((float(likely[longest]), one.cursor.truth.startswith(prefixes[longest])))
    return made


def repository_name(path: Path) -> str:
    """Return a short name: the directory's, or its parent's for a bare ``repo``."""
    return path.parent.name if path.name == "repo" else path.name


def main() -> None:
    """Measure, and train when asked to."""
    options = _options()
    console = Console(stderr=True)
    by_repository: dict[str, list[Observed]] = {}
    for path in options.repo:
        began = time.perf_counter()
        by_repository[repository_name(path)] = observe(path, options.cursors, options.seed)
        console.print(f"{repository_name(path)}: {time.perf_counter() - began:.1f} s")
    everything: list[Outcome] = []
    begun: list[tuple[float, bool]] = []
    table = _table("leaving one repository out" if len(by_repository) > 1 else "shipped weights")
    result: dict[str, Any] = {"cursors": options.cursors, "seed": options.seed, "repositories": {}, "variants": {}}
    for name, observed in by_repository.items():
        others = [one for other, among in by_repository.items() if other != name for one in among]
        ranker = train(others) if others and not options.shipped else Ranker.load()
        made = outcomes(observed, ranker)
        everything += made
        begun += beginnings(observed, ranker)
        result["repositories"][name] = summarise([outcome for outcome in made if outcome.variant == "full"])
        _add(table, name, result["repositories"][name])
    for variant in VARIANTS:
        result["variants"][variant] = summarise([outcome for outcome in everything if outcome.variant == variant])
        _add(table, f"all, {variant}", result["variants"][variant])
    result["calibration"] = calibration([outcome for outcome in everything if outcome.variant != "line end"])
    console.print(table)
    for row in result["calibration"]:
        console.print(f"confidence {row['confidence']:.2f}: right {row['right']:.2f} ({row['cursors']} cursors)")
    result["beginnings"] = {
        "share": len(begun) / max(1, sum(map(len, by_repository.values()))),
        "confidence": float(np.mean([confidence for confidence, _ in begun])) if begun else None,
        "right": float(np.mean([right for _, right in begun])) if begun else None,
    }
    console.print(f"beginnings where no line is likely: {result['beginnings']}")
    if options.train:
        ranker = train([one for observed in by_repository.values() for one in observed])
        _WEIGHTS.write_text(json.dumps(ranker.to_json()) + "\n")
        console.print(f"weights of {len(NAMES)} features written to {_WEIGHTS}")
    if options.json is not None:
        write("embedded_engine", {**environment("embedded"), **result}, options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedded_engine", description=__doc__)
    parser.add_argument("--repo", type=Path, action="append", required=True, help="a git repository; may be repeated")
    parser.add_argument("--cursors", type=int, default=600, help="cursors for each repository (default 600)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shipped", action="store_true", help="measure the weights that ship, without training")
    parser.add_argument("--train", action="store_true", help="write weights learnt from all repositories")
    parser.add_argument("--json", type=Path, help="where to write the result")
    return parser.parse_args()


def _table(title: str) -> Table:
    table = Table(title=f"Embedded engine, rest of the line ({title})")
    for heading in ("repository", "cursors", "exact", "similar", "oracle", "copy", "surest 5/10/20/30 %"):
        table.add_column(heading)
    for least in (0.3, 0.5, 0.7):
        table.add_column(f"≥ {least}: speaks, right")
    table.add_column("p50/p99 ms")
    return table


def _add(table: Table, name: str, summary: dict[str, Any]) -> None:
    if not summary["cursors"]:
        return
    spoken = []
    for least in (0.3, 0.5, 0.7):
        precision = summary[f"precision_{least}"]
        shown = "-" if precision is None else f"{precision:.2f}"
        spoken.append(f"{summary[f'coverage_{least}']:.2f}  {shown}")
    table.add_row(
        name,
        str(summary["cursors"]),
        f"{summary['exact_match']:.3f}",
        f"{summary['edit_similarity']:.3f}",
        f"{summary['oracle']:.3f}",
        f"{summary['copy_exact_match']:.3f} {summary['copy_edit_similarity']:.2f}",
        " ".join(f"{summary[f'precision_surest_{percent}']:.2f}" for percent in (5, 10, 20, 30)),
        *spoken,
        f"{summary['p50_ms']} {summary['p99_ms']}",
    )


if __name__ == "__main__":
    main()
