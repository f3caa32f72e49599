"""The half of ``hearth doctor`` that looks at the indexer: its libraries, git, the data directory and the index."""

from __future__ import annotations

import enum
import importlib.metadata
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from attrs import evolve

from indexer.api import Index
from indexer.config import EmbedderConfig, IndexConfig
from indexer.diff.git import git_program, run_git
from indexer.embed import REMOTE_VERSION, RemoteEmbedder
from indexer.errors import IndexerError
from indexer.parse import languages, parse
from indexer.store.database import DATABASE
from indexer.types import IndexState, RepositoryStatus

_OLDEST_GIT = (2, 31)
_LOW_SPACE_BYTES = 1_000_000_000
_NO_SPACE_BYTES = 50_000_000
_EMBEDDER_SECONDS = 10.0
_INDEX_PARTS = (DATABASE, "lexical", "vectors", "corpora")


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``advice`` says what to do, and is empty when all is well."""

    level: Level
    name: str
    message: str
    advice: str = ""


def examine(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Run one check; what it raises is a finding too, so that one broken part hides no other."""
    try:
        yield from check()
    except IndexerError as error:
        yield Finding(Level.FAIL, name, error.message, error.advice)
    except Exception as error:  # noqa: BLE001  # a doctor reports whatever is broken
        yield Finding(
            Level.FAIL,
            name,
            f"{type(error).__name__}: {error}",
            "Install Hearth again, with pip's --force-reinstall, from the wheel or the clone that it came from.",
        )


def examine_libraries() -> Iterator[Finding]:
    """Look at FAISS, the GPU, tantivy, the grammars and git."""
    yield from examine("faiss", _faiss)
    yield from examine("tantivy", _tantivy)
    yield from examine("grammars", _grammars)
    yield from examine("git", _git)


def examine_index(data: Path, config: IndexConfig) -> Iterator[Finding]:
    """Look at the data directory, what is in it, and the embedding server."""
    yield from examine("data directory", lambda: _data_directory(data))
    yield from examine("embedding server", lambda: _embedder(data, config.embedder))
    yield from examine("index", lambda: _index(data, config))


def _faiss() -> Iterator[Finding]:
    from indexer.store.vectors import gpu_count, load_faiss  # noqa: PLC0415  # a broken FAISS must not end the doctor

    installed = [name for name in ("faiss-cpu", "faiss-gpu") if _installed_version(name)]
    module = load_faiss()
    version = ", ".join(f"{name} {_installed_version(name)}" for name in installed) or str(module.__version__)
    yield Finding(Level.OK, "faiss", version)
    gpus = gpu_count(module)
    if gpus:
        yield Finding(Level.OK, "gpu", f"FAISS sees {gpus} GPU{'s' if gpus > 1 else ''}")
    else:
        yield Finding(Level.OK, "gpu", "none seen by FAISS; vectors are searched on the CPU")


def _tantivy() -> Iterator[Finding]:
    from indexer.store.lexical import LexicalReader  # noqa: PLC0415  # as above

    with tempfile.TemporaryDirectory(prefix="hearth-doctor-") as directory:
        LexicalReader(Path(directory))
    yield Finding(Level.OK, "tantivy", _installed_version("tantivy"))


def _grammars() -> Iterator[Finding]:
    working: list[str] = []
    for spec in languages():
        if not spec.grammar:
            continue
        try:
            tree = parse(b"x\n", spec.name)
        except (ImportError, AttributeError, ValueError, OSError) as error:
            yield Finding(
                Level.FAIL,
                "grammars",
                f"{spec.name} cannot be parsed: {error}",
                f"pip install --force-reinstall {spec.grammar.replace('_', '-')}",
            )
            continue
        if tree is not None:
            working.append(spec.name)
    yield Finding(Level.OK, "grammars", f"{len(working)} languages: {', '.join(working)}")


def _git() -> Iterator[Finding]:
    printed = run_git(Path.cwd(), "version")
    text = printed.decode(errors="replace") if isinstance(printed, bytes) else str(printed)
    found = re.search(r"(\d+)\.(\d+)[\d.]*", text)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if version < _OLDEST_GIT:
        oldest = ".".join(map(str, _OLDEST_GIT))
        yield Finding(Level.FAIL, "git", f"{text.strip()} is too old", f"Install git {oldest} or later.")
    else:
        yield Finding(Level.OK, "git", f"{text.strip()} ({git_program()})")


def _data_directory(data: Path) -> Iterator[Finding]:
    existing = next(directory for directory in (data, *data.parents) if directory.exists())
    if not existing.is_dir():
        yield Finding(Level.FAIL, "data directory", f"{existing} is a file", "Choose another with --data DIR.")
        return
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            Level.FAIL,
            "data directory",
            f"{existing} cannot be written",
            "Make it writable, or choose another with --data.",
        )
        return
    free, taken = shutil.disk_usage(existing).free, _index_bytes(data)
    message = f"{data}, {free / 1e9:.1f} GB free, the index takes {taken / 1e9:.1f} GB"
    if free < _NO_SPACE_BYTES:
        yield Finding(Level.FAIL, "data directory", message, "Free some space: nothing can be indexed.")
    elif free < taken:
        yield Finding(
            Level.WARN,
            "data directory",
            message,
            "Free some space: a run that processes everything again, as after an upgrade, needs as much again.",
        )
    elif free < _LOW_SPACE_BYTES:
        yield Finding(Level.WARN, "data directory", message, "Free some space before a large repository is indexed.")
    else:
        yield Finding(Level.OK, "data directory", message)


def _index_bytes(data: Path) -> int:
    files = [file for part in _INDEX_PARTS for file in (data / part, *(data / part).rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _embedder(data: Path, config: EmbedderConfig) -> Iterator[Finding]:
    name = "embedding server"
    if not config.configured:
        yield Finding(Level.OK, name, "none configured; Hearth's own table finds by meaning")
        return
    embedder = RemoteEmbedder(
        evolve(config, attempts=1, batch_seconds=min(config.batch_seconds, _EMBEDDER_SECONDS)), data / REMOTE_VERSION
    )
    served = embedder.identify()
    message = f"{embedder.server} serves {served.model} with vectors of {served.dimensions} numbers"
    if not (data / DATABASE).exists() or embedder.version == served.version:
        yield Finding(Level.OK, name, message)
    else:
        yield Finding(
            Level.WARN,
            name,
            f"{message}; the index was made with another model",
            "Index the repositories again: hearth index REPO. Until then searches go by words.",
        )


def _index(data: Path, config: IndexConfig) -> Iterator[Finding]:
    with Index.open(data, config) as index:
        repositories = index.repositories(ask_source=True)
        if not repositories:
            yield Finding(Level.WARN, "index", "nothing is indexed yet", "Run: hearth index PATH_OF_A_REPOSITORY")
            return
        index.check()
        chunks = sum(ref.chunks for repository in repositories for ref in repository.refs)
        yield Finding(Level.OK, "index", f"{len(repositories)} repositories, {chunks:,} chunks, undamaged")
        for repository in repositories:
            yield from _repository(repository)


def _repository(repository: RepositoryStatus) -> Iterator[Finding]:
    again = f"Run: hearth index {repository.source} --name {repository.name}"
    for ref in repository.refs:
        name = f"{repository.name} at {ref.ref}"
        if ref.state is IndexState.FAILED:
            yield Finding(Level.FAIL, "freshness", f"{name} could not be indexed: {ref.error}", again)
        elif ref.state is not IndexState.READY:
            yield Finding(Level.WARN, "freshness", f"{name} is not indexed completely", again)
        elif ref.behind > 0:
            commits = "commit" if ref.behind == 1 else "commits"
            yield Finding(Level.WARN, "freshness", f"{name} is {ref.behind} {commits} behind its source", again)
        elif ref.behind < 0:
            yield Finding(
                Level.WARN,
                "freshness",
                f"{name}: its source {repository.source} cannot be asked",
                "Was it moved or deleted?",
            )
        else:
            days = (time.time() - ref.indexed_at) / 86_400
            yield Finding(Level.OK, "freshness", f"{name} is up to date (indexed {days:.1f} days ago)")


def _installed_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
