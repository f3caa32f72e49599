"""The first page: what runs, how fresh the index is, and what needs somebody's attention."""

from __future__ import annotations

from aiohttp import web

from indexer.queue import Job, JobState
from indexer.types import RepositoryStatus
from server import queries
from server.gateway.pages.desk import Desk, Guest
from server.gateway.parts import Parts


class Overview:
    """The first page.

    Args:
        desk: Renders it.
        parts: What there is to tell.
    """

    def __init__(self, desk: Desk, parts: Parts) -> None:
        self._desk = desk
        self._parts = parts

    async def show(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /``."""
        parts, readable = self._parts, guest.visitor.readable

        def look() -> tuple[list[RepositoryStatus], list[Job]]:
            return queries.repositories(parts.index, readable), parts.registry.jobs() if guest.admin else []

        statuses, jobs = await self._desk.in_thread(look)
        refs = [ref for status in statuses for ref in status.refs]
        return self._desk.page(
            guest,
            "overview.html",
            here="/",
            engine=queries.engine_value(parts.ladder, parts.model(), parts.prompts),
            index_open=parts.index is not None,
            repositories=len(statuses),
            files=sum(ref.files for ref in refs),
            chunks=sum(ref.chunks for ref in refs),
            newest=max((ref.indexed_at for ref in refs), default=0.0),
            editors=len(parts.sessions),
            waiting=sum(job.state is not JobState.FAILED for job in jobs),
            failed=[job for job in jobs if job.state is JobState.FAILED],
        )
