"""A browser without a screen: keeps cookies, names its origin, and sends the forms that pages hold."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

_CSRF = re.compile(r'name="csrf" value="(\w+)"')


@dataclass
class Page:
    """What a browser got: ``path`` is where it ended up."""

    status: int
    path: str
    text: str
    headers: Mapping[str, str]


class Browser:
    """Somebody at the pages of one server."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self.client = client
        self.url = url
        self.csrf = ""
        """Of the page that was looked at last."""

    async def get(self, path: str) -> Page:
        async with self.client.get(path) as answer:
            page = Page(answer.status, answer.url.path, await answer.text(), answer.headers)
        found = _CSRF.search(page.text)
        self.csrf = found[1] if found else self.csrf
        return page

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Page:
        sent = {"Origin": self.url, **headers}
        async with self.client.post(path, data={"csrf": self.csrf, **fields}, headers=sent) as answer:
            return Page(answer.status, answer.url.path, await answer.text(), answer.headers)

    async def sign_in(self, token: str) -> Page:
        await self.get("/sign-in")
        page = await self.post("/sign-in", {"token": token})
        await self.get("/")
        return page

    def hold(self, name: str, value: str) -> None:
        self.client.cookie_jar.update_cookies({name: value}, URL(self.url))

    def cookie(self, name: str) -> str:
        return next((one.value for one in self.client.cookie_jar if one.key == name), "")


@asynccontextmanager
async def browsing(url: str, token: str = "", ssl: bool = True) -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, cookie_jar=jar, connector=aiohttp.TCPConnector(ssl=ssl)) as client:
        browser = Browser(client, url)
        if token:
            assert (await browser.sign_in(token)).status == 200
        yield browser
