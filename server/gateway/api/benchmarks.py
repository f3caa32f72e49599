"""The routes of ``/api/v1`` for benchmark runs."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from aiohttp import web

from indexer.errors import UnknownRepository
from server.accounts import TokenScope
from server.errors import RequestRefused, RunRefused, RunUnreadable, UnknownRun
from server.gateway.access import Visitor
from server.gateway.api.body import read_fields
from server.gateway.api.routes import LetIn
from server.gateway.benchmarks import Benchmarks
from server.gateway.responses import refuse
from server.runs.compare import Change, regressed
from server.runs.kept import Run
from server.runs.request import MeasuredEngine
from server.runs.runner import RunStatus

_PATH = "/api/v1/benchmarks"
_RUNNING = "/api/v1/running-benchmark"
_CHOICES: dict[str, type] = {
    "repository": str, "engine": str, "keys": int, "seeds": int, "sessions": int, "speed": float, "label": str,
    "wholeIndex": bool,
}  # fmt: skip
_FACTS = ("label", "date", "repository", "engine", "commit", "machine", "sessions", "chunks")
_T = TypeVar("_T")


class BenchmarkApi:
    """Lets scripts of administrators start benchmark runs, and read what they measured.

    Args:
        let_in: Recognises who asks.
        benchmarks: The runs.
    """

    def __init__(self, let_in: LetIn, benchmarks: Benchmarks) -> None:
        self._let_in = let_in
        self._benchmarks = benchmarks

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get(_PATH, self._list)
        router.add_post(_PATH, self._start)
        router.add_delete(_RUNNING, self._cancel)
        router.add_get(f"{_PATH}/{{id}}", self._result)
        router.add_delete(f"{_PATH}/{{id}}", self._remove)
        router.add_get(f"{_PATH}/{{id}}/changes", self._changes)

    async def _list(self, request: web.Request) -> web.Response:
        self._who(request)
        status, _ = await self._benchmarks.status()
        runs = await self._benchmarks.runs()
        return web.json_response({"last": status and status_value(status), "runs": [run_value(run) for run in runs]})

    async def _start(self, request: web.Request) -> web.Response:
        visitor = self._who(request)
        choices = await read_fields(request, visitor, _CHOICES)
        if "repository" not in choices:
            refuse(400, "fields", "`repository` is missing: the name of one that is indexed.")
        if "wholeIndex" in choices:
            choices["whole_index"] = choices.pop("wholeIndex")
        if "engine" in choices:
            choices["engine"] = _engine(choices["engine"])
        try:
            status = self._benchmarks.start(visitor.user, visitor.readable, **choices)
        except UnknownRepository as error:
            refuse(404, error.code, "There is no such repository.", "Or you may not read it.")
        except RunRefused as error:
            refuse(400, error.code, error.message, error.advice)
        except RequestRefused as error:
            refuse(409, error.code, error.message, error.advice)
        return web.json_response(status_value(status), status=202)

    async def _cancel(self, request: web.Request) -> web.Response:
        visitor = self._who(request)
        try:
            self._benchmarks.cancel(visitor.user)
        except RequestRefused as error:
            refuse(409, error.code, error.message, error.advice)
        return web.json_response({"cancelled": True}, status=202)

    async def _result(self, request: web.Request) -> web.Response:
        self._who(request)
        return web.json_response(await _found(self._benchmarks.run(request.match_info["id"])))

    async def _remove(self, request: web.Request) -> web.Response:
        visitor, run_id = self._who(request), request.match_info["id"]
        await _found(self._benchmarks.remove(visitor.user, run_id))
        return web.json_response({"id": run_id})

    async def _changes(self, request: web.Request) -> web.Response:
        self._who(request)
        old, new = request.query.get("since", ""), request.match_info["id"]
        if not old:
            refuse(400, "since", "Changes are those since another run.", "Give its id as ?since=…")
        changes = await _found(self._benchmarks.changes(old, new))
        values = [change_value(change) for change in changes]
        return web.json_response({"regressed": regressed(changes), "changes": values})

    def _who(self, request: web.Request) -> Visitor:
        return self._let_in(request, TokenScope.ADMIN)


def run_value(run: Run) -> dict[str, Any]:
    """Describe a kept run; figures that were not measured are left out."""
    return {
        "id": run.run_id,
        "writtenAt": round(run.written, 3),
        "problem": run.problem,
        **{name: run.facts[name] for name in _FACTS if name in run.facts},
        "paths": {
            path: {name: value for name, value in figures.items() if value is not None}
            for path, figures in run.figures.items()
        },
    }


def status_value(status: RunStatus) -> dict[str, Any]:
    """Describe the run that runs, or the last one; ``total`` is 0 while there is nothing to count."""
    request, progress = status.request, status.progress
    return {
        "repository": request.repository,
        "engine": request.engine.value,
        "label": request.label,
        "by": status.by,
        "startedAt": round(status.started, 3),
        "state": status.state.value,
        "stage": progress.stage,
        "done": progress.done,
        "total": progress.total,
        "run": progress.kept,
        "cause": status.cause,
    }


def change_value(change: Change) -> dict[str, Any]:
    """Describe what became of one figure."""
    return {
        "path": change.path, "figure": change.name, "old": change.old, "new": change.new, "verdict": change.verdict,
    }  # fmt: skip


async def _found(asked: Awaitable[_T]) -> _T:
    try:
        return await asked
    except UnknownRun as error:
        refuse(404, error.code, error.message, error.advice)
    except RunUnreadable as error:
        refuse(409, error.code, error.message, error.advice)


def _engine(name: str) -> MeasuredEngine:
    try:
        return MeasuredEngine(name)
    except ValueError:
        refuse(400, "fields", f"There is no engine {name!r}.", f"There are: {', '.join(MeasuredEngine)}.")
