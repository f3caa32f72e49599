"""The pages as people see them: a headless Chromium that signs in, clicks and takes pictures."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cache import CACHE, filling
from tests.editors.vscode_workbench import install_chromium

HERE = Path(__file__).parent / "chromium"
# Beside those of VS Code, some of which have the same names.
SCREENSHOTS = Path(os.environ.get("HEARTH_SCREENSHOTS") or CACHE) / "pages-screenshots"
_NAMES = ("package.json", "package-lock.json", ".npmrc", "drive.mjs")
_INSTALL_SECONDS = 900
_ANSWER_SECONDS = 240
_MAX_LINE = 1 << 20


@dataclass
class Chromium:
    """One window. The methods that wait fail when it takes too long."""

    executable: str
    url: str
    _driver: asyncio.subprocess.Process
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, *arguments: Any) -> Any:
        """Run a method of ``drive.mjs``.

        Raises:
            AssertionError: It failed; most often what it waited for did not happen.
        """
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        request = {"id": next(self._ids), "method": method, "arguments": arguments}
        self._driver.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(_ANSWER_SECONDS):
            line = await self._driver.stdout.readline()
        answer = json.loads(line) if line else {"error": "the driver ended"}
        if "error" in answer:
            raise AssertionError(f"{method}{arguments}: {answer['error']}")
        return answer["result"]

    async def look(self, **how: bool) -> None:
        """Go on in a new window: ``dark``, ``phone``, or without ``scripts``."""
        await self.call("start", self.executable, self.url, how)

    async def screenshot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        await self.call("screenshot", str(SCREENSHOTS / f"{name}.png"))


@asynccontextmanager
async def chromium(url: str) -> AsyncIterator[Chromium]:
    """Run a browser for the server at ``url``."""
    executable, folder = await asyncio.to_thread(install)
    driver = await asyncio.create_subprocess_exec(
        "node",
        str(folder / "drive.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_MAX_LINE,
    )
    try:
        window = Chromium(executable, url, driver)
        await window.look()
        yield window
    finally:
        assert driver.stdin is not None
        driver.stdin.close()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await driver.wait()
        except TimeoutError:
            driver.kill()
            await driver.wait()


def install() -> tuple[str, Path]:
    """Return Chromium, and the folder of what drives it and of axe, installed when they are not there."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing: install Node.js 20 or newer, the tests of the pages need it")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _NAMES)).hexdigest()[:16]
    target = CACHE / f"pages-{key}"
    with filling("pages"):
        if not target.is_dir():
            partial = target.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for name in _NAMES:
                shutil.copy(HERE / name, partial)
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts"],
                cwd=partial,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
            if done.returncode:
                pytest.fail(f"the browser's driver cannot be installed: {(done.stdout + done.stderr)[-2000:]}")
            partial.rename(target)
        return install_chromium(), target
