"""The reading side of the index: what servers and commands ask. Many threads may share one."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.api import overview, places, ranking
from indexer.api.noting import notes_damage
from indexer.api.snapshot import PublishedChunks, Snapshot
from indexer.config import IndexConfig
from indexer.corpus import Corpus
from indexer.diff import Distances, GitSource, line_history
from indexer.embed import Embedder, make_embedder
from indexer.errors import IndexCorrupt, RepositoryError
from indexer.store.catalog import Catalog, RefRecord
from indexer.store.database import REBUILD_ADVICE, require_directory
from indexer.store.lexical import LexicalReader, check_lexical
from indexer.store.vectors import VectorReader
from indexer.types import (
    FoundSecret,
    HistoryEntry,
    Hit,
    Import,
    RepositoryStatus,
    Scope,
    Skip,
    Symbol,
    SymbolHit,
)


class Index:
    """What was published last in a data directory.

    Answers stay those of one moment until :meth:`refresh`. Every method may raise IndexCorrupt when stored files are
    damaged, which is then written down for the next writer. An empty or absent directory is an empty index.
    """

    def __init__(self, data: Path, config: IndexConfig, embedder: Embedder) -> None:
        self._data = data
        self._config = config
        self._embedder = embedder
        self._catalog = Catalog(data)
        self._published = PublishedChunks(self._catalog)
        self._lock = threading.Lock()
        self._lexical: LexicalReader | None = None
        self._vectors: VectorReader | None = None
        self._corpora: dict[str, Corpus] = {}
        self._snapshot = Snapshot(-1, (), self._catalog, None, None, embedder, self._published)
        self._epoch = 0
        self._closed = False
        self._distances = Distances()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._data

    @classmethod
    def open(cls, data: Path, config: IndexConfig | None = None, *, embedder: Embedder | None = None) -> Self:
        """Open the index in ``data``.

        Raises:
            DataDirectoryError: ``data`` is a file or cannot be read.
            IndexCorrupt: Its files are damaged or of another version; the advice names the command that mends it.
        """
        require_directory(data)
        settings = config or IndexConfig()
        index = cls(data, settings, embedder or make_embedder(settings.embedder, data))
        try:
            index.refresh()
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        """Release files. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._catalog.close()
            for corpus in self._corpora.values():
                corpus.close()
            self._corpora.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @notes_damage
    def refresh(self) -> bool:
        """Pick up what was published since; returns whether there was anything. Costs microseconds when not."""
        if self._catalog.generation() == self._snapshot.generation:
            return False
        with self._lock:
            while True:
                generation = self._catalog.generation()
                if generation == self._snapshot.generation:
                    return False
                refs = self._catalog.refs()
                try:
                    if generation > 0:
                        self._open_readers()
                except IndexCorrupt:
                    # A writer may have replaced what was about to be opened. Then there is something newer to open.
                    if self._catalog.generation() == generation:
                        raise
                else:
                    break
            self._published.keep(refs)
            self._snapshot = Snapshot(
                generation, tuple(refs), self._catalog, self._lexical, self._vectors, self._embedder, self._published
            )
            places.forget_work_trees()
        return True

    def generation(self) -> int:
        """Return a number that changes when :meth:`refresh` found something new."""
        return self._snapshot.generation

    def snapshot(self) -> Snapshot:
        """Return what this index answers from at this moment."""
        return self._snapshot

    @notes_damage
    def repositories(self, *, ask_source: bool = False) -> list[RepositoryStatus]:
        """Return the state of every repository as it is now, without regard to :meth:`refresh`.

        Args:
            ask_source: Also count how many commits each ref is behind its source, which runs git for each ref that
                has moved, here or there, since the last time.
        """
        return overview.repositories(self._catalog, ask_source=ask_source, distances=self._distances)

    def default_ref(self, repository: str) -> str:
        """Return the ref that an empty ref stands for. Raises UnknownRepository."""
        return self._ref(repository, "").ref

    def commit(self, repository: str, ref: str = "") -> str:
        """Return the commit that a ref shows, as indexed. Raises UnknownRepository."""
        return self._ref(repository, ref).commit

    @notes_damage
    def skips(self, repository: str, ref: str = "") -> list[Skip]:
        """Return what was left out of a ref and why, by path. Raises UnknownRepository."""
        record = self._ref(repository, ref)
        return overview.skips(self._catalog, record)

    @notes_damage
    def secrets(self, repository: str, ref: str = "") -> list[FoundSecret]:
        """Return where the files of a ref have secrets, by path and line. Raises UnknownRepository."""
        record = self._ref(repository, ref)
        return overview.secrets(self._catalog, record)

    def locate(self, file: Path) -> tuple[str, str] | None:
        """Return ``(repository, path in it)`` of a file of this machine, ``None`` outside of any indexed repository."""
        return places.locate(file, self._snapshot.refs)

    @notes_damage
    def paths(self, repository: str, ref: str = "") -> list[str]:
        """Return the paths of all indexed files of a ref; empty for one that is not indexed."""
        record = self._snapshot.find(repository, ref)
        return self._catalog.paths(record.ref_id) if record else []

    @notes_damage
    def file_text(self, repository: str, ref: str, path: str) -> str | None:
        """Return the text of a file as indexed, with its own line ends; ``None`` when it is not in the index."""
        blob = self._blob(repository, ref, path)
        return self._catalog.text(blob) if blob is not None else None

    @notes_damage
    def language(self, repository: str, ref: str, path: str) -> str | None:
        """Return the language of a file, ``None`` when it is not in the index."""
        record = self._snapshot.find(repository, ref)
        found = self._catalog.file(record.ref_id, path) if record else None
        return found[1] if found else None

    @notes_damage
    def symbols_of(self, repository: str, ref: str, path: str) -> list[Symbol]:
        """Return the definitions of a file in their order."""
        blob = self._blob(repository, ref, path)
        return self._catalog.symbols(blob) if blob is not None else []

    @notes_damage
    def imports_of(self, repository: str, ref: str, path: str) -> list[Import]:
        """Return the imports of a file in their order."""
        blob = self._blob(repository, ref, path)
        return self._catalog.imports(blob) if blob is not None else []

    def definitions(self, name: str, scope: Scope, limit: int = 10) -> list[SymbolHit]:
        """Return definitions of exactly ``name``."""
        return self.definitions_of((name,), scope, limit)

    @notes_damage
    def definitions_of(self, names: Iterable[str], scope: Scope, limit: int = 10) -> list[SymbolHit]:
        """Return up to ``limit`` definitions of each name, grouped by name, in one query."""
        # A file that is open in the editor takes its places in the answer away; so many more are asked for.
        spare = min(4 * len(scope.exclude), 100)
        found = self._catalog.definitions(self._snapshot.select(scope), names, limit + spare)
        counts: dict[str, int] = {}
        kept: list[SymbolHit] = []
        for hit in found:
            if (hit.repository, hit.path) in scope.exclude or counts.get(hit.symbol.name, 0) >= limit:
                continue
            counts[hit.symbol.name] = counts.get(hit.symbol.name, 0) + 1
            kept.append(hit)
        return kept

    @notes_damage
    def symbols(self, query: str, scope: Scope, limit: int = 50) -> list[SymbolHit]:
        """Return definitions whose names match what was typed: equal, beginning with it, or its letters in order."""
        if not query:
            return []
        found = self._catalog.find_symbols(self._snapshot.select(scope), query, limit * 2)
        scored = [
            replace(hit, score=_symbol_score(query, hit.symbol.name))
            for hit in found
            if (hit.repository, hit.path) not in scope.exclude
        ]
        scored.sort(key=lambda hit: (-hit.score, hit.symbol.name, hit.repository, hit.path, hit.symbol.start_line))
        return scored[:limit]

    @notes_damage
    def search(self, query: str, scope: Scope, k: int = 10, *, boost_paths: Collection[str] = ()) -> list[Hit]:
        """Return the ``k`` chunks that answer a query best, by words and by meaning.

        Args:
            query: Words, a sentence or code.
            scope: What may be seen; applied inside the search.
            k: How many chunks.
            boost_paths: Paths whose chunks come first among equals (files that the asking file imports).
        """
        return ranking.search(self._snapshot, query, scope, k, boost_paths=boost_paths)

    @notes_damage
    def references(self, name: str, scope: Scope, limit: int = 10) -> list[Hit]:
        """Return chunks that use the identifier ``name``, spelled exactly so, and do not define it."""
        return ranking.references(self._snapshot, name, scope, limit)

    @notes_damage
    def corpus(self, repository: str, ref: str = "") -> Corpus | None:
        """Return the tokens of a ref for the embedded engine, shared and not to be closed; ``None`` without any."""
        record = self._snapshot.find(repository, ref)
        if record is None or not record.corpus:
            return None
        with self._lock:
            corpus = self._corpora.get(record.corpus)
            if corpus is not None:
                return corpus
            try:
                corpus = Corpus.open(self._data / "corpora" / record.corpus)
            except IndexCorrupt:
                # The writer deletes a corpus when a newer one is published, which this snapshot may not know yet.
                if self._catalog.generation() == self._snapshot.generation:
                    raise
                return None
            in_use = {known.corpus for known in self._snapshot.refs}
            # A corpus that is dropped here is unmapped when the last engine that still reads it lets go.
            self._corpora = {name: kept for name, kept in self._corpora.items() if name in in_use}
            self._corpora[record.corpus] = corpus
        return corpus

    def history(
        self, repository: str, path: str, start_line: int, end_line: int, limit: int = 5, *, ref: str = ""
    ) -> tuple[HistoryEntry, ...]:
        """Return the last commits that changed some lines; empty when the source is gone. Runs git: off the loop."""
        record = self._snapshot.find(repository, ref)
        if record is None:
            return ()
        try:
            source = GitSource.open(Path(record.git_dir))
        except RepositoryError:
            return ()
        seconds = self._config.history_timeout_ms / 1000
        return line_history(source, record.commit, path, start_line, end_line, limit=limit, seconds=seconds)

    @notes_damage
    def check(self) -> None:
        """Read everything that is stored and raise IndexCorrupt when it is damaged. Takes seconds on a big index.

        What is published meanwhile is picked up, as by :meth:`refresh`.
        """
        while True:
            try:
                self._check()
            except IndexCorrupt:
                # A writer takes away what it has replaced; then there is something newer to read.
                if not self.refresh():
                    raise
            else:
                return

    def _check(self) -> None:
        self._catalog.check()
        check_lexical(self._data / "lexical")
        for record in self._snapshot.refs:
            if record.corpus:
                Corpus.open(self._data / "corpora" / record.corpus, verify=True).close()

    def _open_readers(self) -> None:
        if self._epoch != self._catalog.epoch:
            self._epoch = self._catalog.epoch
            self._lexical, self._vectors = None, None
            self._published, self._corpora = PublishedChunks(self._catalog), {}
        # Words are written before the rows that speak of them, so that there are never fewer.
        chunks = self._catalog.stored_chunks()
        segments = self._catalog.segments(self._embedder.version)
        if self._lexical is None:
            self._lexical = LexicalReader(self._data / "lexical")
        else:
            self._lexical.refresh()
        if self._lexical.documents < chunks:
            raise IndexCorrupt(
                f"{self._data / 'lexical'} has {self._lexical.documents:,} of {chunks:,} documents",
                advice=REBUILD_ADVICE,
            )
        if self._vectors is None:
            self._vectors = VectorReader(self._data / "vectors")
        self._vectors.refresh(segments)

    def _ref(self, repository: str, ref: str) -> RefRecord:
        record = self._snapshot.find(repository, ref)
        if record is None:
            raise overview.unknown_repository(repository, ref, self._catalog.statuses())
        return record

    def _blob(self, repository: str, ref: str, path: str) -> int | None:
        record = self._snapshot.find(repository, ref)
        found = self._catalog.file(record.ref_id, path) if record else None
        return found[0] if found else None


def _symbol_score(query: str, name: str) -> float:
    """Score from 0 to 1: equal, equal but for case, prefix, start of a word inside, substring, letters in order."""
    lower_query, lower_name = query.lower(), name.lower()
    share = len(query) / max(len(name), 1)
    if query == name:
        return 1.0
    if lower_query == lower_name:
        return 0.95
    if lower_name.startswith(lower_query):
        return 0.7 + 0.2 * share
    if re.search(rf"(?:_|(?<=[a-z0-9])(?=[A-Z])){re.escape(query)}", name, re.IGNORECASE if query.islower() else 0):
        return 0.5 + 0.2 * share
    if lower_query in lower_name:
        return 0.3 + 0.2 * share
    return 0.2 * share
