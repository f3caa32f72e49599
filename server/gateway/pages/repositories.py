"""Repositories: how fresh each is, what it leaves out, what is being done, and for administrators the changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from indexer.api import Index
from indexer.errors import UnknownRepository
from indexer.queue import Job, JobState, Repository
from indexer.types import IndexState, RefStatus, Skip
from server.gateway.pages.desk import Desk, Guest
from server.gateway.pages.rendering import HEADERS
from server.gateway.registry import Change, Registry
from server.gateway.responses import refuse

_MOST_SKIPS = 500
_MOST_JOBS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One repository as a guest may see it.

    Attributes:
        name: Its name.
        registered: What is registered of it; None for what is only indexed, and for whoever does not administrate.
        refs: What is indexed.
        jobs: What waits or runs for it, and what failed.
        readable: Whether the guest may read it, and so be told how much is in it.
    """

    name: str
    registered: Repository | None
    refs: tuple[RefStatus, ...]
    jobs: tuple[Job, ...]
    readable: bool

    @property
    def state(self) -> str:
        """What is going on with it, in a word."""
        states = {job.state for job in self.jobs}
        if JobState.RUNNING in states or any(ref.state is IndexState.INDEXING for ref in self.refs):
            return "indexing"
        if self.registered is not None and self.registered.paused:
            return "paused"
        if JobState.FAILED in states or any(ref.state is IndexState.FAILED for ref in self.refs):
            return "failed"
        if JobState.WAITING in states:
            return "waiting"
        return "ready" if self.refs else "pending"


class RepositoryPages:
    """The list, and a page for each.

    Args:
        desk: Renders them.
        index: What is indexed; None when it cannot be opened.
        registry: What is registered and waits.
    """

    def __init__(self, desk: Desk, index: Index | None, registry: Registry) -> None:
        self._desk = desk
        self._index = index
        self._registry = registry

    async def show(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /repositories``."""
        rows, jobs = await self._look(guest, ask_source=True)
        return self._desk.page(
            guest, "repositories.html", here="/repositories", rows=rows, jobs=jobs, running=self._registry.current()
        )

    async def table(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /repositories/table``: the list alone, to put in the place of the one that is shown."""
        rows, _jobs = await self._look(guest, ask_source=True)
        return self._desk.page(guest, "repositories_table.html", rows=rows)

    async def jobs(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /repositories/jobs``: the jobs alone."""
        jobs = await self._desk.in_thread(self._registry.jobs)
        return self._desk.page(
            guest, "jobs_table.html", jobs=jobs[:_MOST_JOBS], running=self._registry.current(), here=""
        )

    async def add(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /repositories``: register one."""
        add = partial(
            self._registry.add,
            guest.visitor.user,
            fields.get("source", "").strip(),
            name=fields.get("name", "").strip(),
            branches=fields.get("branches", "").split(),
            credential=fields.get("credential", "").strip(),
            poll_minutes=_minutes(fields),
        )
        await self._desk.in_thread(add)
        return _back("/repositories")

    async def detail(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /repository?name=NAME``."""
        name, ref = request.query.get("name", ""), request.query.get("ref", "")
        rows, _jobs = await self._look(guest, ask_source=True)
        row = next((row for row in rows if row.name == name), None)
        if row is None:
            raise UnknownRepository(name)
        skips: list[Skip] = []
        if row.readable and any(status.commit for status in row.refs) and self._index is not None:
            skips = await self._desk.in_thread(partial(self._index.skips, name, ref))
        return self._desk.page(
            guest,
            "repository.html",
            here="/repositories",
            row=row,
            ref=ref,
            skips=skips[:_MOST_SKIPS],
            reasons=Counter(skip.reason.value for skip in skips).most_common(),
            skipped=len(skips),
        )

    async def change(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /repository``: do to one what the button says."""
        user, name = guest.visitor.user, fields.get("name", "")
        match fields.get("action"):
            case "pause" | "resume" as action:
                work = partial(self._registry.change, user, name, Change(paused=action == "pause"))
            case "follow":
                change = Change(branches=fields.get("branches", "").split(), poll_minutes=_minutes(fields))
                work = partial(self._registry.change, user, name, change)
            case "look":
                await self._desk.in_thread(partial(self._registry.look, user, name))
                return _back("/repositories")
            case "remove":
                if fields.get("confirm") != name:
                    refuse(400, "confirm", "It was not removed.", f"To confirm, write its name: {name}")
                await self._desk.in_thread(partial(self._registry.remove, user, name))
                return _back("/repositories")
            case _:
                refuse(400, "action", "This form asks for nothing that there is.")
        await self._desk.in_thread(work)
        return _back("/repositories")

    async def change_job(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /job``: try one again, or forget it."""
        acts = {"retry": self._registry.retry, "drop": self._registry.drop}
        act, given = acts.get(fields.get("action", "")), fields.get("id", "")
        job = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
        if act is None or not await self._desk.in_thread(partial(act, guest.visitor.user, job)):
            refuse(404, "not-found", "This job does not wait any more.", "Reload the page to see what does.")
        return _back("/repositories")

    async def _look(self, guest: Guest, *, ask_source: bool) -> tuple[list[Row], list[Job]]:
        return await self._desk.in_thread(partial(self._rows, guest, ask_source=ask_source))

    def _rows(self, guest: Guest, *, ask_source: bool) -> tuple[list[Row], list[Job]]:
        """Return what may be seen, by name: what one may read, and for administrators all that is registered."""
        readable = guest.visitor.readable
        statuses = self._index.repositories(ask_source=ask_source) if self._index is not None else []
        indexed = {status.name: status.refs for status in statuses}
        registered = {one.name: one for one in self._registry.repositories()} if guest.admin else {}
        jobs = self._registry.jobs() if guest.admin else []

        def may_read(name: str) -> bool:
            return readable is None or name in readable

        names = sorted({name for name in indexed if may_read(name)} | set(registered))
        rows = [
            Row(
                name,
                registered.get(name),
                indexed.get(name, ()),
                tuple(job for job in jobs if job.repository == name),
                may_read(name),
            )
            for name in names
        ]
        return rows, jobs[:_MOST_JOBS]


def _minutes(fields: Mapping[str, str]) -> float:
    try:
        minutes = float(fields.get("poll_minutes") or 0)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes <= 100_000:
        refuse(400, "poll-minutes", "The minutes between two polls are a number from 0 to 100,000.")
    return minutes


def _back(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path, **HEADERS})
