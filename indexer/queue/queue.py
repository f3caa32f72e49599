"""The queue and the registry as one object: every method is one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.errors import NameTaken, UnknownRepository
from indexer.queue import deliveries, jobs, registry
from indexer.queue.database import QueueDatabase
from indexer.queue.deliveries import Delivery
from indexer.queue.jobs import Claim, Job, JobKind
from indexer.queue.registry import Origin, Repository


class Queue:
    """The database ``queue.sqlite`` in a data directory, which is made when it does not exist.

    Every method raises the errors of :meth:`indexer.queue.database.QueueDatabase.transaction`.
    """

    def __init__(self, data: Path) -> None:
        self._database = QueueDatabase(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._database.close()

    def changes(self) -> tuple[int, int]:
        """Return what differs when anyone has written since, in this process or another; cheap enough to poll."""
        return self._database.changes()

    # Repositories

    def register(self, repository: Repository, *, new: bool = False) -> bool:
        """Add a repository or change it, and ask for it to be indexed if that made a difference.

        Raises:
            NameTaken: The name belongs to another source, or the source has another name; or it was to be new.
        """
        with self._database.transaction() as connection:
            if new and registry.find(connection, repository.name) is not None:
                raise NameTaken(
                    f"a repository {repository.name!r} is registered already",
                    advice="Choose another name, or change the one there is.",
                )
            changed = registry.put(connection, repository)
            if changed:
                jobs.enqueue(connection, repository.name, ("",), reason="registered")
        return changed

    def configure(self, wanted: Sequence[Repository]) -> None:
        """Make the repositories of the configuration what ``wanted`` says; those that left it are removed.

        Raises:
            NameTaken: Two sources would share one name; nothing was changed.
        """
        with self._database.transaction() as connection:
            names = {repository.name for repository in wanted}
            for known in registry.listed(connection):
                if known.origin is Origin.CONFIGURATION and known.name not in names:
                    _remove(connection, known.name)
            for repository in wanted:
                if registry.put(connection, replace(repository, origin=Origin.CONFIGURATION)):
                    jobs.enqueue(connection, repository.name, ("",), reason="configured")

    def repositories(self) -> list[Repository]:
        """Return all registered repositories by name."""
        with self._database.reading() as connection:
            return registry.listed(connection)

    def repository(self, name: str) -> Repository | None:
        """Return the repository of that name, if it is registered."""
        with self._database.reading() as connection:
            return registry.find(connection, name)

    def pause(self, name: str) -> None:
        """Stop indexing a repository; what comes meanwhile waits. Raises UnknownRepository."""
        with self._database.transaction() as connection:
            if not registry.set_paused(connection, name, paused=True):
                raise _unknown(name, registry.listed(connection))

    def resume(self, name: str) -> None:
        """Go on indexing a repository, from where its source is now. Raises UnknownRepository."""
        with self._database.transaction() as connection:
            if not registry.set_paused(connection, name, paused=False):
                raise _unknown(name, registry.listed(connection))
            jobs.enqueue(connection, name, ("",), reason="resumed")

    def remove(self, name: str) -> None:
        """Forget a repository and ask for its removal from the index, registered or not."""
        with self._database.transaction() as connection:
            _remove(connection, name)

    # Jobs

    def enqueue(self, repository: str, refs: Iterable[str] = ("",), *, reason: str) -> int:
        """Ask for refs of a registered repository to be looked at; returns how many of them did not wait already.

        Args:
            repository: Its name.
            refs: Names of branches and tags, also of deleted ones; the empty name stands for all that are followed.
            reason: Why, for people: ``push``, ``poll``, …

        Raises:
            UnknownRepository: It is not registered.
        """
        with self._database.transaction() as connection:
            if registry.find(connection, repository) is None:
                raise _unknown(repository, registry.listed(connection))
            return jobs.enqueue(connection, repository, refs, reason=reason)

    def renew(self, repository: str) -> None:
        """Ask for a repository of the index to be brought up to date, registered or not."""
        with self._database.transaction() as connection:
            registered = registry.find(connection, repository) is not None
            kind = JobKind.INDEX if registered else JobKind.RENEW
            jobs.enqueue(connection, repository, ("",), kind=kind, reason="renewal")

    def enqueue_due_polls(self) -> list[str]:
        """Ask for all repositories whose poll interval has passed; returns their names."""
        with self._database.transaction() as connection:
            names = registry.take_due_polls(connection)
            for name in names:
                jobs.enqueue(connection, name, ("",), reason="poll")
        return names

    def claim(self) -> Claim | None:
        """Take the work whose turn it is; None when nothing is due."""
        with self._database.transaction() as connection:
            return jobs.claim(connection)

    def finish(self, claim: Claim) -> None:
        """Forget claimed work that is done."""
        with self._database.transaction() as connection:
            jobs.finish(connection, claim)

    def fail(self, claim: Claim, error: str, *, most_attempts: int) -> bool:
        """Record that claimed work failed; returns whether any of it was set aside for good."""
        with self._database.transaction() as connection:
            return jobs.fail(connection, claim, error, most_attempts=most_attempts)

    def release(self, claim: Claim, delay_seconds: float = 0.0) -> None:
        """Give claimed work back untried."""
        with self._database.transaction() as connection:
            jobs.release(connection, claim, delay_seconds)

    def recover(self) -> int:
        """Let what a killed dispatcher had claimed wait again; only for the one dispatcher that runs now."""
        with self._database.transaction() as connection:
            return jobs.recover(connection)

    def jobs(self) -> list[Job]:
        """Return all jobs: running, waiting, failed."""
        with self._database.reading() as connection:
            return jobs.listed(connection)

    def retry(self, job_id: int) -> bool:
        """Try a job again at once; False when there is no such job that waits or failed."""
        with self._database.transaction() as connection:
            return jobs.retry(connection, job_id)

    def drop(self, job_id: int) -> bool:
        """Forget a job; False when there is no such job that waits or failed."""
        with self._database.transaction() as connection:
            return jobs.drop(connection, job_id)

    # Webhooks

    def take_delivery(self, delivery: Delivery, refs: Iterable[str]) -> bool:
        """Remember a delivery and ask for its refs, in one transaction; False when it was taken before.

        Raises:
            UnknownRepository: Its repository is not registered.
        """
        with self._database.transaction() as connection:
            if registry.find(connection, delivery.repository) is None:
                raise _unknown(delivery.repository, registry.listed(connection))
            if not deliveries.take(connection, delivery):
                return False
            jobs.enqueue(connection, delivery.repository, refs, reason=f"{delivery.forge} webhook")
        return True


def _remove(connection: sqlite3.Connection, name: str) -> None:
    registry.delete(connection, name)
    jobs.forget_repository(connection, name)
    jobs.enqueue(connection, name, ("",), kind=JobKind.REMOVE, reason="removed")


def _unknown(name: str, known: Sequence[Repository]) -> UnknownRepository:
    names = ", ".join(repository.name for repository in known)
    return UnknownRepository(
        f"no repository {name!r} is registered",
        advice=f"There are: {names}." if names else "Register it: hearth repo add URL_OR_PATH",
    )
