"""What administrators do with registered repositories and their jobs, by page and by API alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from indexer.config import RepositoriesConfig
from indexer.errors import UnknownRepository
from indexer.queue import Job, Origin, Queue, Repository
from indexer.queue.registration import check_branches, make_repository
from indexer.worker.dispatch import JobEvent
from server.errors import RequestRefused
from server.gateway.audit import Audit


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different about a registered repository; ``None`` leaves it as it is."""

    branches: Sequence[str] | None = None
    poll_minutes: float | None = None
    paused: bool | None = None


class Registry:
    """Registered repositories, for those who may change them. Every method blocks: call it off the event loop.

    Args:
        queue: Where they and their jobs are.
        config: What may be registered.
        audit: Where is written down who changed what.
        current: Returns the last event of the job that runs in this process.
    """

    def __init__(
        self, queue: Queue, config: RepositoriesConfig, audit: Audit, current: Callable[[], JobEvent | None]
    ) -> None:
        self._queue = queue
        self._config = config
        self._audit = audit
        self.current = current

    def repositories(self) -> list[Repository]:
        """Return all that are registered, by name."""
        return self._queue.repositories()

    def repository(self, name: str) -> Repository:
        """Return the one of that name. Raises UnknownRepository."""
        found = self._queue.repository(name)
        if found is None:
            raise UnknownRepository(f"no repository {name!r} is registered")
        return found

    def jobs(self) -> list[Job]:
        """Return all jobs: running, waiting, failed."""
        return self._queue.jobs()

    def add(
        self,
        by: str,
        source: str,
        *,
        name: str = "",
        branches: Sequence[str] = (),
        credential: str = "",
        poll_minutes: float = 0.0,
    ) -> Repository:
        """Register a repository.

        Raises:
            SourceRefused: The URL, path, name, pattern or credential is not allowed.
            RepositoryError: There is no repository at the path.
            NameTaken: It is registered already, or the name belongs to another source.
        """
        made = make_repository(
            source,
            self._config,
            origin=Origin.PAGE,
            name=name,
            branches=branches,
            credential=credential,
            poll_minutes=poll_minutes,
        )
        self._queue.register(made, new=True)
        self._audit.note("repository-added", user=by, subject=made.name, source=made.source, branches=made.branches)
        return made

    def change(self, by: str, name: str, change: Change) -> Repository:
        """Follow other branches, ask the source more or less often, pause or resume.

        Raises:
            UnknownRepository: It is not registered.
            SourceRefused: A pattern of branches is not usable.
            RequestRefused: What is to be different stands in the configuration.
        """
        known = self.repository(name)
        wanted = replace(
            known,
            branches=known.branches if change.branches is None else tuple(change.branches),
            poll_minutes=known.poll_minutes if change.poll_minutes is None else change.poll_minutes,
        )
        check_branches(wanted.branches)
        if wanted != known:
            self._refuse_configured(known)
            self._queue.register(wanted)
            self._audit.note(
                "repository-changed",
                user=by,
                subject=name,
                branches=wanted.branches,
                poll_minutes=wanted.poll_minutes,
            )
        if change.paused is not None and change.paused != known.paused:
            (self._queue.pause if change.paused else self._queue.resume)(name)
            self._audit.note("repository-paused" if change.paused else "repository-resumed", user=by, subject=name)
        return self.repository(name)

    def remove(self, by: str, name: str) -> None:
        """Forget a repository, and take it out of the index as soon as that is free.

        Raises:
            UnknownRepository: It is not registered.
            RequestRefused: It stands in the configuration.
        """
        self._refuse_configured(self.repository(name))
        self._queue.remove(name)
        self._audit.note("repository-removed", user=by, subject=name)

    def look(self, by: str, name: str) -> None:
        """Ask for a repository to be looked at now. Raises UnknownRepository."""
        self._queue.enqueue(name, reason="asked for")
        self._audit.note("repository-asked-for", user=by, subject=name)

    def retry(self, by: str, job: int) -> bool:
        """Try a job again at once; False when there is no such job that waits or failed."""
        return self._noted(self._queue.retry(job), "job-retried", by, job)

    def drop(self, by: str, job: int) -> bool:
        """Forget a job; False when there is no such job that waits or failed."""
        return self._noted(self._queue.drop(job), "job-dropped", by, job)

    def _noted(self, done: bool, event: str, by: str, job: int) -> bool:
        if done:
            self._audit.note(event, user=by, subject=str(job))
        return done

    def _refuse_configured(self, known: Repository) -> None:
        if known.origin is Origin.CONFIGURATION:
            raise RequestRefused(
                f"{known.name!r} stands in hearth.toml, which has the last word on it",
                advice="Change it there; the server reads it when it starts.",
            )
