"""Runs that are kept: in ``benchmarks/`` of the data directory, as the JSON that the benchmark wrote."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import RunUnreadable, UnknownRun
from server.runs.figures import COUNTS, PERCENTILES, RATIOS, STAGES, TIMES

BENCHMARK = "latency"
FOLDER = "benchmarks"
SCRATCH = "benchmark-scratch"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MOST_BYTES = 64 << 20
_TEXTS = ("date", "commit", "machine", "python", "model_id", "engine", "repository", "base_commit")
_COUNTS = ("sessions", "chunks")


@dataclass(frozen=True, slots=True)
class Run:
    """What a list says of a run.

    Attributes:
        run_id: Its name.
        written: When its file was written, in seconds since the epoch.
        facts: What it was measured with: the texts and counts of the result, and ``label``.
        figures: Of each path, the figures by their name.
        problem: Why it cannot be read; empty when all is well, and then there are facts.
    """

    run_id: str
    written: float
    facts: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float | None]]
    problem: str = ""


class KeptRuns:
    """The folder of runs. Every method blocks: call it off the event loop.

    Args:
        data: The data directory.
    """

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self._scratch = data / SCRATCH
        self._known: dict[str, tuple[tuple[int, int], Run]] = {}

    def runs(self) -> list[Run]:
        """Return all that are kept, the newest first. Files are read again only when they have changed."""
        known = dict(self._known)
        found: dict[str, tuple[tuple[int, int], Run]] = {}
        for file in self.folder.glob("*.json"):
            try:
                state = file.stat()
            except OSError:
                continue
            stamp = state.st_mtime_ns, state.st_size
            old = known.get(file.stem)
            found[file.stem] = old if old and old[0] == stamp else (stamp, self._summary(file, state.st_mtime))
        self._known = found
        return sorted((run for _, run in found.values()), key=lambda run: (run.written, run.run_id), reverse=True)

    def read(self, run_id: str) -> dict[str, Any]:
        """Return the whole result of a run.

        Raises:
            UnknownRun: There is none of that id.
            RunUnreadable: Its file is not a result.
        """
        file = self._file(run_id)
        try:
            if file.stat().st_size > _MOST_BYTES:
                raise RunUnreadable(f"the run {run_id} has more than {_MOST_BYTES >> 20} MiB")
            value = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except FileNotFoundError:
            raise _unknown(run_id) from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunUnreadable(f"the run {run_id} cannot be read: {error}") from error
        problem = _problem(value)
        if problem:
            raise RunUnreadable(
                f"the run {run_id} is no result of the latency benchmark: {problem} is missing or wrong"
            )
        result: dict[str, Any] = value
        return result

    def keep(self, result: Mapping[str, Any]) -> str:
        """Keep a result, on disk when this returns, and return its id.

        Raises:
            OSError: It cannot be written.
        """
        for folder in (self.folder, self._scratch):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_id = self._free_id(f"{BENCHMARK}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
        with tempfile.NamedTemporaryFile("w", dir=self._scratch, delete=False, encoding="utf-8") as file:
            json.dump({"benchmark": BENCHMARK, **result}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self.folder / f"{run_id}.json")
        return run_id

    def remove(self, run_id: str) -> None:
        """Delete a run. Raises UnknownRun."""
        try:
            self._file(run_id).unlink()
        except FileNotFoundError:
            raise _unknown(run_id) from None

    def prune(self, most: int) -> list[str]:
        """Delete the oldest runs beyond ``most``, and return their ids."""
        too_many = [run.run_id for run in self.runs()[most:]]
        for run_id in too_many:
            (self.folder / f"{run_id}.json").unlink(missing_ok=True)
        return too_many

    def _file(self, run_id: str) -> Path:
        if not _ID.fullmatch(run_id):
            raise _unknown(run_id)
        return self.folder / f"{run_id}.json"

    def _free_id(self, wanted: str) -> str:
        run_id, number = wanted, 1
        while (self.folder / f"{run_id}.json").exists():
            number += 1
            run_id = f"{wanted}-{number}"
        return run_id

    def _summary(self, file: Path, written: float) -> Run:
        try:
            result = self.read(file.stem)
        except (RunUnreadable, UnknownRun) as error:
            # Such a file may have any name.
            return Run(os.fsencode(file.stem).decode(errors="replace"), written, {}, {}, error.message)
        facts = {name: result[name] for name in (*_TEXTS, *_COUNTS, "label") if name in result}
        figures = {
            path: {name: values.get(name) for name in _figure_names()} for path, values in result["paths"].items()
        }
        return Run(file.stem, written, {"label": "", **facts}, figures)


def _figure_names() -> Iterator[str]:
    for name in TIMES:
        yield from (f"{percentile}_{name}_ms" for percentile in PERCENTILES)
    yield from RATIOS


def _problem(value: Any) -> str:
    """Return what a value lacks to be a result that can be shown and compared; empty when it is one."""
    if not isinstance(value, dict) or value.get("benchmark") != BENCHMARK:
        return "benchmark"
    return next((name for name, sound in _checks(value) if not sound), "")


def _checks(result: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield each part of a result and whether it is sound. Later ones rest on earlier ones: stop at the first not."""
    yield from ((name, _is_text(result.get(name))) for name in _TEXTS)
    yield from ((name, isinstance(result.get(name), int)) for name in _COUNTS)
    yield "label", _is_text(result.get("label", ""))
    paths = result.get("paths")
    yield "paths", isinstance(paths, dict) and bool(paths) and all(map(_is_text, paths))
    for path, values in result["paths"].items():
        yield path, isinstance(values, dict)
        for name, sound in _path_checks(values):
            yield f"{name} of {path}", sound


def _path_checks(values: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    by_seed, samples, stages, excluded = (
        values.get(name) for name in ("by_seed", "samples_ms", "stages_ms", "excluded")
    )
    yield "by_seed", isinstance(by_seed, dict) and all(isinstance(seed, dict) for seed in by_seed.values())
    for one in (values, *values["by_seed"].values()):
        yield from ((name, one.get(name) is None or _is_number(one[name])) for name in _figure_names())
    yield "samples_ms", isinstance(samples, dict) and all(_are_numbers(samples.get(name)) for name in TIMES)
    # A percentile stands beside the samples that it is of.
    yield "percentiles", all(values.get(f"p50_{name}_ms") is not None for name in TIMES if values["samples_ms"][name])
    yield "stages_ms", isinstance(stages, dict) and all(_is_number(stages.get(name)) for name in STAGES)
    yield (
        "excluded",
        isinstance(excluded, dict) and all(map(_is_text, excluded)) and all(map(_is_number, excluded.values())),
    )
    yield from ((name, _is_number(values.get(name, 0))) for name in COUNTS)


def _is_text(value: Any) -> bool:
    """Whether it is text that can be shown: JSON may spell halves of characters, which no page can hold."""
    return isinstance(value, str) and not _SURROGATE.search(value)


def _is_number(value: Any) -> bool:
    # JSON has whole numbers of any length; those that are computed with are floats.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_number, values))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _unknown(run_id: str) -> UnknownRun:
    return UnknownRun(f"there is no run {run_id[:100]!r}", advice="The list of benchmark runs has those that are kept.")
