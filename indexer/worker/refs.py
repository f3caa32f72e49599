"""From one commit's tree to what searches see of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from indexer.config import IndexConfig
from indexer.corpus import Corpus, CorpusFile, build_corpus, content_name, known_blobs
from indexer.diff import GitSource
from indexer.errors import DataDirectoryError, IndexCorrupt
from indexer.store.blobs import BlobKey, StoredBlob
from indexer.store.metadata import RefRow, RepositoryRow
from indexer.types import IndexReport, Progress, SkipReason
from indexer.worker import maintenance
from indexer.worker.batches import Stores, batches, tag_blobs, write_batch
from indexer.worker.plan import Plan, Wanted, make_plan
from indexer.worker.reading import ReadBlob, read_blob

ProgressCallback = Callable[[Progress], None]

_MOST_WARNINGS = 20
_TELL_SECONDS = 0.1


@dataclass(slots=True)
class RefRun:
    """One ref of one repository on its way from ``commit``'s tree to a publication."""

    repository: RepositoryRow
    source: GitSource
    ref: RefRow
    commit: str
    stores: Stores
    config: IndexConfig
    progress: ProgressCallback
    _warnings: list[str] = field(default_factory=list)
    _told: float = 0.0

    def run(self) -> IndexReport:
        """Do it, and say what it came to."""
        started = time.monotonic()
        metadata, ref = self.stores.metadata, self.ref
        unchanged = ref.commit == self.commit and ref.options == self.stores.ref_options
        processed = 0
        # A clone that lacked objects may have fetched them since, so the same commit may show more.
        if unchanged and not metadata.has_skips(ref.ref_id, SkipReason.MISSING):
            metadata.touch(ref.ref_id)
        else:
            self._tell("diff", 0, 0)
            plan = make_plan(self.source, self.commit, self.config, self.repository.name)
            known = metadata.known_blobs(plan.wanted, self.stores.options)
            missing = [wanted for key, wanted in plan.wanted.items() if key not in known]
            tag_blobs(self.stores, (blob.blob_id for blob in known.values()), self.repository.repository_id)
            processed = self._process(missing, plan, known)
            maintenance.merge_segments(self.stores)
            self._publish(plan, known)
        if not unchanged or not self._has_corpus():
            self._build_corpus()
        files, chunks, skipped = metadata.counts(ref.ref_id)
        shown = self._warnings[:_MOST_WARNINGS]
        if len(self._warnings) > len(shown):
            shown.append(f"and {len(self._warnings) - len(shown):,} more warnings like these")
        return IndexReport(
            self.repository.name,
            ref.name,
            self.commit,
            files,
            processed,
            chunks,
            skipped,
            time.monotonic() - started,
            tuple(shown),
        )

    def _process(self, missing: list[Wanted], plan: Plan, known: dict[BlobKey, StoredBlob]) -> int:
        """Process blobs that the index does not have; adds them to ``known``. Returns how many there were."""
        done = 0
        self._tell("blobs", 0, len(missing))
        with contextlib.closing(self._read(missing, plan)) as blobs:
            for batch in batches(blobs, self.config):
                known |= write_batch(self.stores, batch, self.repository.repository_id)
                done += len(batch)
                self._tell("blobs", done, len(missing))
        return done

    def _read(self, missing: list[Wanted], plan: Plan) -> Generator[tuple[Wanted, ReadBlob]]:
        by_oid: dict[str, list[Wanted]] = {}
        for wanted in missing:
            by_oid.setdefault(wanted.key.oid, []).append(wanted)
        lost: set[BlobKey] = set()
        count = 0
        with contextlib.closing(self.source.read_blobs(by_oid)) as blobs:
            for oid, data in blobs:
                for wanted in by_oid[oid]:
                    if data is None:
                        lost.add(wanted.key)
                        continue
                    read = read_blob(data, wanted.path, self.config, wanted.allowed)
                    if read.warning:
                        self._warnings.append(read.warning)
                    yield wanted, read
                    count += 1
                    if time.monotonic() - self._told > _TELL_SECONDS:
                        self._tell("blobs", count, len(missing))
        for path, key in list(plan.files.items()) if lost else ():
            if key in lost:
                plan.skips[path] = (SkipReason.MISSING, f"object {key.oid} is not in this clone")
                del plan.files[path]

    def _publish(self, plan: Plan, known: dict[BlobKey, StoredBlob]) -> None:
        self._tell("publish", 0, 1)
        files: dict[str, int] = {}
        skips: dict[str, tuple[int | None, SkipReason, str]] = {
            path: (None, reason, detail) for path, (reason, detail) in plan.skips.items()
        }
        for path, key in plan.files.items():
            blob = known[key]
            if blob.reason is None:
                files[path] = blob.blob_id
            else:
                skips[path] = (blob.blob_id, blob.reason, blob.detail)
        self.stores.metadata.publish(
            self.ref.ref_id, commit=self.commit, options=self.stores.ref_options, files=files, skips=skips
        )
        self._tell("publish", 1, 1)

    def _has_corpus(self) -> bool:
        """Say whether the corpus of this ref is there and whole."""
        if not self.ref.corpus:
            return False
        try:
            Corpus.open(self.stores.data / "corpora" / self.ref.corpus).close()
        except IndexCorrupt:
            return False
        return True

    def _build_corpus(self) -> None:
        """Build what the embedded engine reads; searches see the new commit already, and this may take seconds."""
        self._tell("corpus", 0, 1)
        metadata, corpora = self.stores.metadata, self.stores.data / "corpora"
        name = "-".join(
            filter(None, (str(self.ref.ref_id), self.commit[:16], self.stores.allowed, self.stores.options[:8]))
        )
        # What was processed in another way may hold what is left out now.
        kept = self.ref.corpus != name and self.ref.corpus.endswith(f"-{self.stores.options[:8]}")
        previous = corpora / self.ref.corpus if kept else None
        held = known_blobs(previous)
        files = (
            CorpusFile(
                path, language, None if content_name(oid, allowed) in held else metadata.text(blob_id), oid, allowed
            )
            for path, language, oid, allowed, blob_id in metadata.published_blobs(self.ref.ref_id)
        )
        try:
            build_corpus(files, corpora / name, previous=previous)
        except DataDirectoryError as error:
            self._warnings.append(f"the embedded engine keeps its earlier view: {error.message}")
            return
        metadata.set_corpus(self.ref.ref_id, name)
        self._tell("corpus", 1, 1)

    def _tell(self, stage: str, done: int, total: int) -> None:
        self._told = time.monotonic()
        self.progress(Progress(self.repository.name, self.ref.name, stage, done, total))
