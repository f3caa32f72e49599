"""The provider as the network shows it: everything goes through here, and here it is late, away, or lies."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from tests.patience import WAIT_SECONDS
from tests.server.oidc.provider import CLIENT_ID, CLIENT_SECRET

_HOP = {"connection", "content-length", "content-encoding", "transfer-encoding", "host", "accept-encoding"}
Claims = dict[str, Any]


class Front:
    """A provider at one address, from the process behind it or without.

    Attributes:
        issuer: How it calls itself.
        forge: Given the claims of an ID token, returns the ID token that is handed out instead.
        late: How many seconds it takes longer with everything.
        asked: The paths that were asked for.
    """

    def __init__(self, directory: Path, port: int, inner: int, redirect_uri: str, tls: ssl.SSLContext | None) -> None:
        # By another name than the team server's, so that they are two sites to a browser.
        self.issuer = f"{'https' if tls else 'http'}://localhost:{port}/o"
        self.forge: Callable[[Claims], str] | None = None
        self.late = 0.0
        self.asked: list[str] = []
        self._directory = directory
        self._port = port
        self._inner = inner
        self._redirect_uri = redirect_uri
        self._tls = tls
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._runner: web.AppRunner | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def secret(self) -> Path:
        """Where the secret is."""
        return self._directory / "secret"

    @property
    def settings(self) -> str:
        """What hearth.toml says of it; the secret is in a file."""
        self.secret.write_text(f"{CLIENT_SECRET}\n")
        return (
            f'[server]\npublic_url = "{URL(self._redirect_uri).origin()}"\n[server.oidc]\nissuer = "{self.issuer}"\n'
            f'client_id = "{CLIENT_ID}"\nclient_secret = "file:{self.secret}"\nadmin_groups = ["ops"]\n'
            'groups = { eng = "shoppers", tools = "toolmakers" }\n'
        )

    def people(self, **claims: Claims) -> None:
        """Say who there is; claims of somebody who was there before count at their next sign-in."""
        (self._directory / "people.json").write_text(json.dumps(claims))

    def signed(self, claims: Claims, **header: Any) -> str:
        """Sign an ID token with a key that it publishes as its own."""
        return jwt.encode(claims, self._key, "RS256", {"kid": "front", **header})

    async def start(self) -> None:
        """Begin to listen."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Be away."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def start_provider(self) -> None:
        """Start the process behind it, with a new key."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.server.oidc.provider", str(self._directory), str(self._inner), self.issuer,
            self._redirect_uri, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            assert await self._process.stdout.readline() == b"ready\n"

    async def stop_provider(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def _pass(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        await asyncio.sleep(self.late)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = URL(f"http://127.0.0.1:{self._inner}{request.raw_path}", encoded=True)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as client,
            client.request(
                request.method,
                url,
                headers=headers | {"Host": request.host},
                data=await request.read(),
                allow_redirects=False,
            ) as answer,
        ):
            response = web.Response(status=answer.status, body=self._changed(request.path, await answer.read()))
            for name, value in answer.headers.items():
                if name.lower() not in _HOP:
                    response.headers.add(name, value)
            return response

    def _changed(self, path: str, body: bytes) -> bytes:
        if path.endswith("/jwks.json"):
            found = json.loads(body)
            found["keys"].append(
                jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True) | {"kid": "front"}
            )
            return json.dumps(found).encode()
        if path.endswith("/token/") and self.forge is not None and b"id_token" in body:
            found = json.loads(body)
            found["id_token"] = self.forge(jwt.decode(found["id_token"], options={"verify_signature": False}))
            return json.dumps(found).encode()
        return body


@asynccontextmanager
async def provider(
    directory: Path, ports: tuple[int, int], redirect_uri: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Front]:
    """Run a provider, with somebody called ana in the group ``eng``."""
    (directory / "provider").mkdir()
    front = Front(directory / "provider", *ports, redirect_uri, tls)
    front.people(ana={"preferred_username": "ana", "email": "ana@example.com", "groups": ["eng"]})
    try:
        await front.start_provider()
        await front.start()
        yield front
    finally:
        await front.stop()
        await front.stop_provider()
