"""Brings one repository up to date: from its refs to what searches see."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from indexer.config import IndexConfig
from indexer.diff import GitSource, is_url, open_source, public_url, url_name
from indexer.embed import Embedder, RemoteEmbedder, make_embedder
from indexer.errors import IndexCorrupt, IndexerError, RefNotFound
from indexer.store.damage import noted_damage
from indexer.store.lexical import LexicalWriter
from indexer.store.lock import writer_lock
from indexer.store.metadata import MetadataWriter, RefRow, RepositoryRow
from indexer.types import IndexJob, IndexReport, IndexState, Progress
from indexer.worker import maintenance
from indexer.worker.batches import Stores
from indexer.worker.damage import look_into_damage, replace_damaged
from indexer.worker.events import ANEW
from indexer.worker.reading import processing_revision
from indexer.worker.refs import ProgressCallback, RefRun
from indexer.worker.removal import remove_repository

_log = logging.getLogger(__name__)


def run_job(
    job: IndexJob,
    data: Path,
    config: IndexConfig,
    progress: ProgressCallback,
    *,
    wait_seconds: float = 0.0,
    embedder: Embedder | None = None,
) -> list[IndexReport]:
    """Index one repository in this process.

    Args:
        job: What to bring up to date.
        data: The data directory; made when it does not exist.
        config: Settings.
        progress: Told of every step.
        wait_seconds: How long to wait for another writer.
        embedder: In place of the one that the settings ask for.

    Returns:
        One report for each ref, in the order of the job.

    Raises:
        IndexerError: Nothing was published for the ref that failed; what was published before still stands.
    """
    with writer_lock(data, wait_seconds=wait_seconds):
        damage = look_into_damage(data, config, embedder) if noted_damage(data) else ""
        try:
            reports = _run(job, data, config, progress, embedder)
        except IndexCorrupt as error:
            damage = error.message
            replace_damaged(data, damage)
            reports = _run(job, data, config, progress, embedder)
    if damage:
        progress(Progress(job.name or job.source, "", ANEW, 0, 0, f"the index is damaged and is made anew: {damage}"))
        said = f"the index was damaged and begun anew ({damage}); what else was indexed follows with: hearth index"
        reports = [replace(report, warnings=(*report.warnings, said)) for report in reports]
    return reports


def _run(
    job: IndexJob, data: Path, config: IndexConfig, progress: ProgressCallback, embedder: Embedder | None
) -> list[IndexReport]:
    metadata = MetadataWriter(data)
    try:
        with LexicalWriter(data / "lexical") as lexical:
            used = embedder or make_embedder(config.embedder, data)
            if isinstance(used, RemoteEmbedder):
                used.connect()
            options = config.options_digest(used.version, processing_revision())
            stores = Stores(data, metadata, lexical, used, options, config.allowed_digest())
            maintenance.recover(stores)
            if job.remove:
                remove_repository(stores, job.source)
                return []
            return _Job(job, stores, config, progress).run()
    finally:
        metadata.close()


class _Job:
    def __init__(self, job: IndexJob, stores: Stores, config: IndexConfig, progress: ProgressCallback) -> None:
        self._job = job
        self._stores = stores
        self._metadata = stores.metadata
        self._config = config
        self._progress = progress
        self._prune = job.prune or job.follow is not None

    def run(self) -> list[IndexReport]:
        repository, source = self._open()
        known = {ref.name: ref for ref in self._metadata.refs(repository.repository_id)}
        if self._job.follow is not None and not source.branches():
            # Nothing was pushed yet, or everything was deleted.
            for ref in known.values():
                self._metadata.remove_ref(ref.ref_id)
            return []
        head = self._head(source)
        asked = dict.fromkeys(head if name == "HEAD" else name for name in self._job.refs)
        if self._job.follow is not None:
            names = self._followed_refs(source, self._job.follow, head, known)
        else:
            names = list(asked) or self._usual_refs(head, known)
        commits, reports = self._resolve(repository, source, names, known)
        for name, commit in commits.items():
            ref = self._metadata.upsert_ref(repository.repository_id, name, implicit=name not in self._job.refs)
            self._metadata.set_state(ref.ref_id, IndexState.INDEXING)
            try:
                reports[name] = RefRun(
                    repository, source, ref, commit, self._stores, self._config, self._progress
                ).run()
            except IndexerError as error:
                self._metadata.set_state(ref.ref_id, IndexState.FAILED, error.message)
                raise
        self._choose_default(repository, head)
        self._forget_left_commits(head, known)
        collected = maintenance.collect_garbage(self._stores)
        maintenance.merge_segments(self._stores, collected=collected > 0)
        maintenance.drop_corpora(self._stores)
        return [reports[name] for name in names if name in reports]

    def _open(self) -> tuple[RepositoryRow, GitSource]:
        text = self._job.source
        by_name = {row.name: row for row in self._metadata.repositories()}
        if text in by_name and not is_url(text) and not Path(text).exists():
            text = by_name[text].source
        remote = is_url(text)
        label = self._job.name or url_name(text)

        def fetched(done: int, total: int) -> None:
            self._progress(Progress(label, "", "fetch", done, total))

        if remote:
            self._progress(Progress(label, "", "fetch", 0, 0, f"reading {public_url(text)}"))
        source = open_source(text, self._stores.data / "mirrors", fetched, access=self._job.access)
        if self._job.follow is None:
            source.default_ref()  # An empty repository is refused before it gets a name.
        identity = public_url(text) if remote else str(source.common_dir)
        known = any(row.identity == identity for row in by_name.values())
        derived = url_name(text) if remote else source.name
        row = self._metadata.upsert_repository(
            name=self._job.name or ("" if known else derived),
            source=identity if remote else str(source.root),
            identity=identity,
            root="" if remote else str(source.root),
            git_dir=str(source.git_dir),
            default_ref="",
        )
        return row, source

    def _head(self, source: GitSource) -> str:
        """Return where HEAD points; with chosen branches a HEAD that points nowhere does not matter."""
        try:
            return source.default_ref()
        except RefNotFound:
            if not self._job.follow:
                raise
            return ""

    def _usual_refs(self, head: str, known: dict[str, RefRow]) -> list[str]:
        """Return the refs indexed before, and where HEAD points now if it was followed before."""
        if known and not any(ref.implicit for ref in known.values()):
            return list(known)
        kept = [ref.name for ref in known.values() if not _left_by_head(ref, head)]
        return list(dict.fromkeys((*kept, head)))

    def _followed_refs(
        self, source: GitSource, patterns: tuple[str, ...], head: str, known: dict[str, RefRow]
    ) -> list[str]:
        """Return the followed refs that there is news of; refs outside chosen patterns are removed."""
        followed = source.matching_refs(patterns) if patterns else [head]
        news = {head if name == "HEAD" else name for name in self._job.refs}
        if not news:
            if patterns:
                for name in known.keys() - set(followed):
                    self._metadata.remove_ref(known[name].ref_id)
                    del known[name]
            return list(dict.fromkeys((*followed, *known)))
        gone = [name for name in known if name in news and name not in followed]
        return [name for name in followed if name in news] + gone

    def _forget_left_commits(self, head: str, known: dict[str, RefRow]) -> None:
        """Forget commits that a detached HEAD has left: nobody asked for them by name."""
        if not self._job.refs or "HEAD" in self._job.refs:
            for ref in known.values():
                if _left_by_head(ref, head):
                    self._metadata.remove_ref(ref.ref_id)

    def _resolve(
        self, repository: RepositoryRow, source: GitSource, names: list[str], known: dict[str, RefRow]
    ) -> tuple[dict[str, str], dict[str, IndexReport]]:
        """Resolve the refs before any is indexed. A ref that vanished from the source keeps what it published."""
        commits: dict[str, str] = {}
        reports: dict[str, IndexReport] = {}
        for name in names:
            try:
                commits[name] = source.resolve(name)
            except RefNotFound as error:
                if name not in known and self._job.follow is not None:
                    continue  # Pushed and deleted before its turn came.
                if name not in known or (name in self._job.refs and not self._prune):
                    raise
                reports[name] = self._vanished(repository, known[name], error)
        return commits, reports

    def _vanished(self, repository: RepositoryRow, ref: RefRow, error: RefNotFound) -> IndexReport:
        files, chunks, skipped = self._metadata.counts(ref.ref_id)
        if self._prune:
            self._metadata.remove_ref(ref.ref_id)
            files = chunks = skipped = 0
            warning = f"{ref.name} is gone from the source and was removed"
        else:
            self._metadata.set_state(ref.ref_id, IndexState.FAILED, error.message)
            warning = f"{ref.name} is gone from the source; what was indexed stays until: hearth index --prune"
        _log.warning("%s: %s", repository.name, warning)
        return IndexReport(repository.name, ref.name, ref.commit, files, 0, chunks, skipped, 0.0, (warning,))

    def _choose_default(self, repository: RepositoryRow, head: str) -> None:
        """Let searches without a ref look where the source's HEAD points, if that is indexed."""
        refs = [ref.name for ref in self._metadata.refs(repository.repository_id) if ref.commit]
        for name in (head, repository.default_ref, *refs):
            if name in refs:
                self._metadata.set_default_ref(repository.repository_id, name)
                return


def _left_by_head(ref: RefRow, head: str) -> bool:
    return ref.implicit and ref.name == ref.commit and ref.name != head
