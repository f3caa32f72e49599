"""Writes what the index knows about repositories, refs and their files. One process at a time holds a writer."""

from __future__ import annotations

import time
from dataclasses import dataclass

from indexer.errors import NameTaken
from indexer.store.blobs import BlobWriter, next_generation
from indexer.store.database import translated
from indexer.types import IndexState, SkipReason


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """A repository as stored. ``identity`` tells two sources apart: a git directory or a URL."""

    repository_id: int
    name: str
    source: str
    identity: str
    default_ref: str


@dataclass(frozen=True, slots=True)
class RefRow:
    """A ref as stored; ``commit`` and ``options`` are empty before the first publication.

    ``implicit``: it was indexed because HEAD pointed there, not because it was asked for.
    """

    ref_id: int
    name: str
    commit: str
    options: str
    corpus: str
    implicit: bool


class MetadataWriter(BlobWriter):
    """The writing side of the SQLite file. Every method is one transaction; all raise the errors of ``translated``."""

    def repositories(self) -> list[RepositoryRow]:
        """Return all repositories by name."""
        with translated(self._data):
            rows = self._connection.execute(
                "SELECT id, name, source, identity, default_ref FROM repository ORDER BY name"
            ).fetchall()
        return [RepositoryRow(*row) for row in rows]

    def upsert_repository(
        self, *, name: str, source: str, identity: str, root: str, git_dir: str, default_ref: str
    ) -> RepositoryRow:
        """Find or add the repository of ``identity``; an empty ``name`` keeps the one it has.

        Raises:
            NameTaken: Another source has the name, or this source has another name.
        """
        with self.transaction() as connection:
            known = connection.execute("SELECT id, name FROM repository WHERE identity = ?", (identity,)).fetchone()
            taken = connection.execute("SELECT source FROM repository WHERE name = ?", (name,)).fetchone()
            if known is None and taken is not None:
                raise NameTaken(
                    f"the name {name!r} belongs to {taken[0]}", advice=f"Choose another for {source} with --name NAME."
                )
            if known is not None and name and known[1] != name:
                raise NameTaken(
                    f"{source} is indexed under the name {known[1]!r}", advice=f"Leave --name out, or say {known[1]!r}."
                )
            if known is None:
                connection.execute(
                    "INSERT INTO repository (name, source, identity, root, git_dir, default_ref)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (name, source, identity, root, git_dir, default_ref),
                )
            else:
                connection.execute(
                    "UPDATE repository SET source = ?, root = ?, git_dir = ? WHERE id = ?",
                    (source, root, git_dir, known[0]),
                )
            row = connection.execute(
                "SELECT id, name, source, identity, default_ref FROM repository WHERE identity = ?", (identity,)
            ).fetchone()
        return RepositoryRow(*row)

    def set_default_ref(self, repository_id: int, ref: str) -> None:
        """Make ``ref`` the one that a search without a ref looks at."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE repository SET default_ref = ? WHERE id = ? AND default_ref <> ?", (ref, repository_id, ref)
            )

    def refs(self, repository_id: int) -> list[RefRow]:
        """Return the refs of a repository in the order in which they were first asked for."""
        with translated(self._data):
            rows = self._connection.execute(
                "SELECT id, name, commit_id, options, corpus, implicit FROM ref WHERE repository_id = ? ORDER BY id",
                (repository_id,),
            ).fetchall()
        return [_ref_row(row) for row in rows]

    def upsert_ref(self, repository_id: int, name: str, *, implicit: bool = False) -> RefRow:
        """Find or add a ref; ``implicit`` matters only for a new one."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO ref (repository_id, name, state, implicit) VALUES (?, ?, ?, ?)",
                (repository_id, name, IndexState.PENDING, implicit),
            )
            row = connection.execute(
                "SELECT id, name, commit_id, options, corpus, implicit FROM ref WHERE repository_id = ? AND name = ?",
                (repository_id, name),
            ).fetchone()
        return _ref_row(row)

    def set_state(self, ref_id: int, state: IndexState, error: str = "") -> None:
        """Record where a ref stands; what it published stays as it is."""
        with self.transaction() as connection:
            connection.execute("UPDATE ref SET state = ?, error = ? WHERE id = ?", (state, error, ref_id))

    def set_corpus(self, ref_id: int, corpus: str) -> None:
        """Name the directory of a ref's corpus and let readers know."""
        with self.transaction() as connection:
            generation = next_generation(connection)
            connection.execute("UPDATE ref SET corpus = ?, version = ? WHERE id = ?", (corpus, generation, ref_id))

    def corpora(self) -> set[str]:
        """Return the names of all corpus directories in use."""
        with translated(self._data):
            rows = self._connection.execute("SELECT corpus FROM ref WHERE corpus <> ''").fetchall()
        return {row[0] for row in rows}

    def remove_ref(self, ref_id: int) -> None:
        """Forget a ref and what it published."""
        with self.transaction() as connection:
            for table in ("file", "skip"):
                connection.execute(
                    f"INSERT OR REPLACE INTO candidate SELECT DISTINCT blob_id, 0 FROM {table}"  # noqa: S608 -- constants  # nosec B608
                    " WHERE ref_id = ? AND blob_id IS NOT NULL",
                    (ref_id,),
                )
                connection.execute(f"DELETE FROM {table} WHERE ref_id = ?", (ref_id,))  # noqa: S608 -- constants  # nosec B608
            connection.execute("DELETE FROM ref WHERE id = ?", (ref_id,))
            next_generation(connection)

    def remove_repository(self, repository_id: int) -> None:
        """Forget a repository that has no refs; its blobs go when garbage is collected."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM repository WHERE id = ?", (repository_id,))
            next_generation(connection)

    def publish(
        self,
        ref_id: int,
        *,
        commit: str,
        options: str,
        files: dict[str, int],
        skips: dict[str, tuple[int | None, SkipReason, str]],
    ) -> int:
        """Replace what a ref shows, in one transaction that writes only what differs; returns its number of chunks.

        Args:
            ref_id: The ref.
            commit: The commit that is published.
            options: How its blobs were processed.
            files: Path → blob id.
            skips: Path → (blob id or None, reason, detail) of files left out.
        """
        with self.transaction() as connection:
            now = time.time()
            before = dict(connection.execute("SELECT path, blob_id FROM file WHERE ref_id = ?", (ref_id,)))
            gone = [path for path in before if path not in files]
            changed = [(ref_id, path, blob) for path, blob in files.items() if before.get(path) != blob]
            replaced = {before[path] for path in gone} | {before[path] for _, path, _ in changed if path in before}
            connection.executemany("DELETE FROM file WHERE ref_id = ? AND path = ?", ((ref_id, path) for path in gone))
            connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", changed)
            old_skips = {
                row[0]: row[1:]
                for row in connection.execute(
                    "SELECT path, blob_id, reason, detail FROM skip WHERE ref_id = ?", (ref_id,)
                )
            }
            for path, (blob_id, *_rest) in old_skips.items():
                if path not in skips:
                    connection.execute("DELETE FROM skip WHERE ref_id = ? AND path = ?", (ref_id, path))
                if blob_id is not None and skips.get(path, (None,))[0] != blob_id:
                    replaced.add(blob_id)
            connection.executemany(
                "INSERT OR REPLACE INTO skip VALUES (?, ?, ?, ?, ?)",
                ((ref_id, path, *skip) for path, skip in skips.items() if old_skips.get(path) != skip),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO candidate VALUES (?, 0)", ((blob_id,) for blob_id in replaced)
            )
            chunks: int = connection.execute(
                "SELECT coalesce(sum(chunk_count), 0) FROM blob"
                " WHERE id IN (SELECT DISTINCT blob_id FROM file WHERE ref_id = ?)",
                (ref_id,),
            ).fetchone()[0]
            connection.execute(
                "UPDATE ref SET commit_id = ?, options = ?, state = ?, error = '', files = ?, chunks = ?, skipped = ?,"
                " indexed_at = ?, version = ? WHERE id = ?",
                (
                    commit,
                    options,
                    IndexState.READY,
                    len(files),
                    chunks,
                    len(skips),
                    now,
                    next_generation(connection),
                    ref_id,
                ),
            )
        return chunks

    def touch(self, ref_id: int) -> None:
        """Record that a ref was found up to date; what searches see is not affected."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE ref SET state = ?, error = '', indexed_at = ? WHERE id = ?",
                (IndexState.READY, time.time(), ref_id),
            )

    def counts(self, ref_id: int) -> tuple[int, int, int]:
        """Return how many files, chunks and skips a ref shows."""
        with translated(self._data):
            row = self._connection.execute("SELECT files, chunks, skipped FROM ref WHERE id = ?", (ref_id,)).fetchone()
        return row[0], row[1], row[2]

    def has_skips(self, ref_id: int, reason: SkipReason) -> bool:
        """Tell whether a ref leaves out any file for this reason."""
        with translated(self._data):
            statement = "SELECT 1 FROM skip WHERE ref_id = ? AND reason = ? LIMIT 1"
            return self._connection.execute(statement, (ref_id, reason)).fetchone() is not None

    def reset_states(self) -> None:
        """Record that nothing is being indexed: a killed run could not say so itself."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE ref SET state = iif(commit_id = '', ?, ?) WHERE state = ?",
                (IndexState.PENDING, IndexState.READY, IndexState.INDEXING),
            )


def _ref_row(row: tuple[int, str, str, str, str, int]) -> RefRow:
    ref_id, name, commit, options, corpus, implicit = row
    return RefRow(ref_id, name, commit, options, corpus, bool(implicit))
