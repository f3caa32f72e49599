"""The routes of ``/api/v1`` for administrators: registered repositories and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from indexer.errors import NameTaken, RepositoryError, SourceRefused, UnknownRepository
from indexer.queue import Job, Repository
from indexer.worker.dispatch import JobEvent
from server.accounts import TokenScope
from server.errors import RequestRefused
from server.gateway.access import Visitor
from server.gateway.api.body import read_fields
from server.gateway.api.routes import LetIn
from server.gateway.registry import Change, Registry
from server.gateway.responses import refuse

_REGISTRATIONS = "/api/v1/registrations"
_JOBS = "/api/v1/jobs"
_T = TypeVar("_T")


class Administration:
    """Lets scripts of administrators change what is indexed.

    Args:
        let_in: Recognises who asks.
        registry: Registered repositories and their jobs.
        threads: Where blocking work runs.
    """

    def __init__(self, let_in: LetIn, registry: Registry, threads: Executor) -> None:
        self._let_in = let_in
        self._registry = registry
        self._threads = threads

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get(_REGISTRATIONS, self._repositories)
        router.add_post(_REGISTRATIONS, self._add)
        router.add_patch(f"{_REGISTRATIONS}/{{name}}", self._change)
        router.add_delete(f"{_REGISTRATIONS}/{{name}}", self._remove)
        router.add_get(_JOBS, self._jobs)
        router.add_post(f"{_JOBS}/{{id}}/retry", self._retry)
        router.add_delete(f"{_JOBS}/{{id}}", self._drop)

    async def _repositories(self, request: web.Request) -> web.Response:
        self._who(request)
        found = await self._do(self._registry.repositories)
        return web.json_response({"registrations": [repository_value(repository) for repository in found]})

    async def _add(self, request: web.Request) -> web.Response:
        visitor = self._who(request)
        known = {"source": str, "name": str, "branches": list, "credential": str, **_POLL}
        fields = await _fields(request, visitor, known)
        if "source" not in fields:
            refuse(400, "fields", "`source` is missing: a URL, or a path on the server's machine.")
        made = await self._do(partial(self._registry.add, visitor.user, **fields))
        return web.json_response(repository_value(made), status=201)

    async def _change(self, request: web.Request) -> web.Response:
        visitor, name = self._who(request), request.match_info["name"]
        change = Change(**await _fields(request, visitor, {"branches": list, "paused": bool, **_POLL}))
        changed = await self._do(partial(self._registry.change, visitor.user, name, change))
        return web.json_response(repository_value(changed))

    async def _remove(self, request: web.Request) -> web.Response:
        user, name = self._who(request).user, request.match_info["name"]
        await self._do(partial(self._registry.remove, user, name))
        return web.json_response({"repository": name}, status=202)

    async def _jobs(self, request: web.Request) -> web.Response:
        self._who(request)
        jobs = await self._do(self._registry.jobs)
        current = self._registry.current()
        return web.json_response(
            {"running": current and progress_value(current), "jobs": [job_value(job) for job in jobs]}
        )

    async def _retry(self, request: web.Request) -> web.Response:
        return await self._job(request, self._registry.retry)

    async def _drop(self, request: web.Request) -> web.Response:
        return await self._job(request, self._registry.drop)

    async def _job(self, request: web.Request, act: Callable[[str, int], bool]) -> web.Response:
        user, given = self._who(request).user, request.match_info["id"]
        job = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
        if not job or not await self._do(partial(act, user, job)):
            refuse(404, "not-found", "No job of this id waits or was set aside.", f"GET {_JOBS} lists them.")
        return web.json_response({"job": job})

    def _who(self, request: web.Request) -> Visitor:
        return self._let_in(request, TokenScope.ADMIN)

    async def _do(self, work: Callable[[], _T]) -> _T:
        """Run what blocks; what is wrong with the request is answered, what is wrong with Hearth goes on."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except UnknownRepository as error:
            refuse(404, error.code, error.message, f"GET {_REGISTRATIONS} lists them.")
        except (NameTaken, RequestRefused) as error:
            refuse(409, error.code, error.message, error.advice)
        except (SourceRefused, RepositoryError) as error:
            refuse(400, error.code, error.message, error.advice)


def repository_value(repository: Repository) -> dict[str, Any]:
    """Describe a registered repository."""
    return {
        "name": repository.name,
        "source": repository.source,
        "branches": list(repository.branches),
        "credential": repository.credential,
        "pollMinutes": repository.poll_minutes,
        "paused": repository.paused,
        "origin": repository.origin.value,
    }


def job_value(job: Job) -> dict[str, Any]:
    """Describe a job; times are seconds since the epoch."""
    return {
        "id": job.job_id,
        "repository": job.repository,
        "kind": job.kind.value,
        "ref": job.ref,
        "reason": job.reason,
        "state": job.state.value,
        "attempts": job.attempts,
        "enqueuedAt": round(job.enqueued_at, 3),
        "dueAt": round(job.due_at, 3),
        "error": job.error,
    }


def progress_value(event: JobEvent) -> dict[str, Any]:
    """Describe how far the job that runs has come; ``total`` is 0 while it is unknown."""
    progress = event.progress
    return {
        "repository": event.repository,
        "kind": event.kind.value,
        "stage": progress.stage if progress else "",
        "done": progress.done if progress else 0,
        "total": progress.total if progress else 0,
    }


_POLL = {"pollMinutes": float}


async def _fields(request: web.Request, visitor: Visitor, known: Mapping[str, type]) -> dict[str, Any]:
    given = await read_fields(request, visitor, known)
    return {("poll_minutes" if name == "pollMinutes" else name): value for name, value in given.items()}
