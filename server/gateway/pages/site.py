"""Every page and its place."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from server.accounts import TokenScope
from server.gateway.device import DeviceSignIns
from server.gateway.pages.accounts import AccountPages
from server.gateway.pages.audit import AuditPage
from server.gateway.pages.benchmarks import BenchmarkPages
from server.gateway.pages.connect import ConnectPage
from server.gateway.pages.desk import Desk
from server.gateway.pages.device import DevicePage
from server.gateway.pages.drawing import find_drawing
from server.gateway.pages.files import Files
from server.gateway.pages.latency import LatencyPage
from server.gateway.pages.overview import Overview
from server.gateway.pages.provider import CALLBACK, ProviderPage
from server.gateway.pages.repositories import RepositoryPages
from server.gateway.pages.search import SearchPage
from server.gateway.pages.sign_in import SignInPage
from server.gateway.pages.usage import UsagePage
from server.gateway.parts import Parts
from server.gateway.peers import Peers


def add_pages(
    router: web.UrlDispatcher,
    parts: Parts,
    peers: Peers,
    waiting: DeviceSignIns,
    note_refusal: Callable[[str, str], None],
) -> None:
    """Put the pages in their places.

    Args:
        router: Where they go.
        parts: What they show and change.
        peers: Tells where requests come from.
        waiting: Editors that ask to be signed in.
        note_refusal: Writes down the address and reason of a sign-in that was refused.
    """
    drawing = find_drawing()
    desk = Desk(parts.gate, parts.sign_ins, peers, parts.threads, drawing)
    Files(drawing).add_routes(router)
    title = parts.config.oidc.title if parts.provider is not None else ""
    sign_in = SignInPage(desk, parts.accounts, parts.audit, note_refusal, title)
    if parts.provider is not None:
        provider = ProviderPage(desk, sign_in, parts.provider, parts, note_refusal)
        router.add_get("/sign-in/provider", provider.leave)
        router.add_get(CALLBACK, provider.come_back)
    router.add_get("/sign-in", sign_in.ask)
    router.add_post("/sign-in", sign_in.sign_in)
    router.add_post("/sign-out", sign_in.sign_out)
    device = DevicePage(desk, waiting, parts.audit)
    router.add_get("/device", desk.show(device.show))
    router.add_post("/device", desk.act(device.decide))
    admin = TokenScope.ADMIN
    router.add_get("/", desk.show(Overview(desk, parts).show))
    repositories = RepositoryPages(desk, parts.index, parts.registry)
    router.add_get("/repositories", desk.show(repositories.show))
    router.add_get("/repositories/table", desk.show(repositories.table))
    router.add_get("/repositories/jobs", desk.show(repositories.jobs, admin))
    router.add_post("/repositories", desk.act(repositories.add, admin))
    router.add_get("/repository", desk.show(repositories.detail))
    router.add_post("/repository", desk.act(repositories.change, admin))
    router.add_post("/job", desk.act(repositories.change_job, admin))
    router.add_get("/search", desk.show(SearchPage(desk, parts.index).show, TokenScope.SEARCH))
    router.add_get("/connect", desk.show(ConnectPage(desk, parts.downloads, parts.config.public_url).show))
    latency = LatencyPage(desk, parts.readings)
    router.add_get("/latency", desk.show(latency.show))
    router.add_get("/latency/export", desk.show(latency.export))
    usage = UsagePage(desk, parts.readings, parts.audit)
    router.add_get("/usage", desk.show(usage.show))
    router.add_get("/usage/export", desk.show(usage.export))
    router.add_post("/usage", desk.act(usage.change, admin))
    benchmarks = BenchmarkPages(desk, parts.benchmarks)
    router.add_get("/benchmarks", desk.show(benchmarks.show, admin))
    router.add_get("/benchmarks/table", desk.show(benchmarks.table, admin))
    router.add_get("/benchmarks/running", desk.show(benchmarks.running, admin))
    router.add_get("/benchmarks/compare", desk.show(benchmarks.compare, admin))
    router.add_post("/benchmarks", desk.act(benchmarks.act, admin))
    router.add_get("/benchmark", desk.show(benchmarks.detail, admin))
    router.add_post("/benchmark", desk.act(benchmarks.change, admin))
    accounts = AccountPages(desk, parts.accounts, parts.audit)
    router.add_get("/accounts", desk.show(accounts.show, admin))
    router.add_post("/accounts", desk.act(accounts.change, admin))
    audit = AuditPage(desk, parts.data)
    router.add_get("/audit", desk.show(audit.show, admin))
    router.add_get("/audit/export", desk.show(audit.export, admin))
