"""``hearth sign-in`` and ``hearth sign-out``: a token for the editors of this machine, got with a browser."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from server.errors import SignInFailed, connection_problem
from server.lsp.bridge.kept_token import keep_token, kept_token_file
from server.lsp.bridge.link import Address, Refused

_CLIENT = "hearth sign-in"
_ANSWER_SECONDS = 30.0
_MORE_SECONDS = 5.0
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def sign_in(url: str, *, token_file: Path | None, ca_file: Path | None, browser: bool) -> None:
    """Let somebody say yes in a browser, and keep the token that the server then gives.

    Args:
        url: The server's address.
        token_file: Where to keep the token; None means where ``hearth connect`` looks for it.
        ca_file: Certificates to trust besides those of the system.
        browser: Whether to open one; the address is printed either way.

    Raises:
        ConfigError: The address or the certificates cannot be used.
        SignInFailed: Nobody said yes, the server cannot be reached, or the token cannot be kept.
    """
    address = Address(url, "", token_file, ca_file)
    address.check()
    token, user, until = asyncio.run(_ask(address, browser=browser))
    file = (token_file or kept_token_file(url)).expanduser()
    try:
        keep_token(file, token)
    except OSError as error:
        raise SignInFailed(
            f"the token cannot be kept in {file}: {error.strerror or error}", advice="Choose a file: --token-file FILE."
        ) from error
    _say(f"signed in to {url} as {user} until {until:%Y-%m-%d %H:%M}; the token is in {file}")


def sign_out(url: str, *, token_file: Path | None, ca_file: Path | None) -> None:
    """Make the kept token useless, and forget it.

    Raises:
        ConfigError: The address or the certificates cannot be used.
        SignInFailed: There is no token, or the server did not take it back; it is then kept.
    """
    address = Address(url, "", token_file, ca_file)
    address.check()
    file = (token_file or kept_token_file(url)).expanduser()
    try:
        token = address.token()
    except Refused as error:
        raise SignInFailed(str(error)) from error
    if not token:
        raise SignInFailed(f"nobody is signed in to {url} here", advice=f"There is no {file}.")
    asyncio.run(_give_back(address, token))
    file.unlink(missing_ok=True)
    _say(f"signed out of {url}")


async def _ask(address: Address, *, browser: bool) -> tuple[str, str, datetime]:
    """Return the token, whose it is, and when it expires."""
    async with _client(address) as client:
        status, asked = await _send(client, "POST", "", {"client": _CLIENT, "machine": socket.gethostname()})
        if status != 200:
            raise _failure(asked)
        page, code = asked["verificationUriComplete"], asked["userCode"]
        # It is opened and printed: nothing but a page, whoever it is that answers.
        if urlsplit(page).scheme not in {"http", "https"} or not f"{page}{code}".isprintable():
            raise ValueError("the page to open is none")
        _say(f"open {page} in a browser, and let in what shows the code {code}")
        if browser and (sys.platform == "darwin" or any(os.environ.get(name) for name in _DISPLAYS)):
            # Without a display it would be one that takes this terminal.
            await asyncio.to_thread(webbrowser.open, page)
        wait = float(asked["interval"])
        while True:
            await asyncio.sleep(wait)
            status, told = await _send(client, "POST", "/token", {"deviceCode": asked["deviceCode"]})
            if status == 200:
                return str(told["token"]), str(told["user"]), datetime.fromtimestamp(told["expiresAt"]).astimezone()
            reason = told.get("error", {}).get("code")
            if reason == "slow-down":
                wait += _MORE_SECONDS
            elif reason != "authorization-pending":
                raise _failure(told)


async def _give_back(address: Address, token: str) -> None:
    async with _client(address) as client:
        headers = {"Authorization": f"Bearer {token}"}
        status, told = await _send(client, "DELETE", "/token", None, headers)
    # One that the server does not know any more is as good as given back.
    if status not in {200, 401}:
        raise _failure(told)


@asynccontextmanager
async def _client(address: Address) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=address.tls())
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    base = f"{address.url.rstrip('/')}/"
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout, trust_env=True) as client:
        try:
            yield client
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise SignInFailed(
                f"{address.url} cannot be reached: {connection_problem(error)}".rstrip(": "),
                advice="Is the address right?",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise SignInFailed(
                f"what answers at {address.url} is no team server that editors sign in to",
                advice="Is the address right, and its Hearth as new as yours?",
            ) from error


async def _send(
    client: aiohttp.ClientSession,
    method: str,
    path: str,
    fields: dict[str, str] | None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    route = f"api/v1/device{path}"
    async with client.request(method, route, json=fields, headers=headers, allow_redirects=False) as answer:
        told = await answer.json()
    if not isinstance(told, dict):
        raise TypeError(f"{route} answered with no object")
    return answer.status, told


def _failure(told: dict[str, Any]) -> SignInFailed:
    error = told["error"]
    return SignInFailed(str(error["message"]).rstrip("."), advice=str(error["advice"]))


def _say(message: str) -> None:
    sys.stderr.write(f"hearth: {message}\n")
    sys.stderr.flush()
