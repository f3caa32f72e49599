"""VS Code as people see it: code-server from npm, the packaged extension in it, and a headless Chromium that types."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.code_server import code_server, end, folder_of, node_of, own_folders, page_url
from tests.cache import CACHE, filling, keep

HERE = Path(__file__).parent
CODE_SERVER = HERE / "code_server"
EXTENSION = HERE.parent.parent / "editors" / "vscode"
SCREENSHOTS = Path(os.environ.get("HEARTH_SCREENSHOTS") or CACHE / "vscode-screenshots")

_INSTALL_SECONDS = 900
_ANSWER_SECONDS = 300
_MAX_LINE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tools:
    """What the tests run: ``node``, the folder of code-server, the browser, and the extension as a package."""

    node: Path
    modules: Path
    chromium: str
    package: Path


@functools.cache
def install() -> Tools:
    """Install what is missing into the cache, and package the extension as it is now; once in a process.

    Raises:
        pytest.fail.Exception: Something cannot be installed; the message says what to do.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing: install Node.js 20 or newer, the tests in VS Code need it")
    for folder in (CACHE, SCREENSHOTS):
        folder.mkdir(parents=True, exist_ok=True)
    with filling("code-server"):
        modules = _install_code_server() / "node_modules"
        chromium = install_chromium()
        package = _package_extension()
    return Tools(node_of(modules), modules, chromium, package)


def _install_code_server() -> Path:
    names = ("package.json", "package-lock.json", "vscode.npm-shrinkwrap.json", "extensions.npm-shrinkwrap.json")
    key = hashlib.sha256(b"".join((CODE_SERVER / name).read_bytes() for name in names)).hexdigest()[:16]
    target = CACHE / f"code-server-{key}"
    if target.is_dir():
        return target
    partial = CACHE / f"code-server-{key}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(CODE_SERVER / name, partial)
    _run(["sh", str(CODE_SERVER / "install.sh"), str(partial)], "code-server cannot be installed")
    partial.rename(target)
    return target


def install_chromium() -> str:
    """Return the path of Chromium, installed from Debian's packages where that is possible."""
    with filling("chromium"):
        found = shutil.which("chromium")
        if found is not None:
            return found
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.fail("chromium is missing: run `apt-get install chromium fonts-dejavu-core` as root")
        _run(["apt-get", "update", "-qq"], "Debian's list of packages cannot be read")
        _run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
            "chromium cannot be installed",
            {"DEBIAN_FRONTEND": "noninteractive"},
        )
        return shutil.which("chromium") or pytest.fail("chromium is missing after its installation")


def _package_extension() -> Path:
    """Check and package the extension, unless nothing has changed since that was done."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=EXTENSION,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.split("\0"))):
        if (EXTENSION / name).is_file():
            content = (EXTENSION / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    target = CACHE / f"hearth-{digest.hexdigest()[:16]}.vsix"
    if not target.exists():
        _run([str(EXTENSION / "check.sh")], "the extension cannot be built")
        _run(["npm", "run", "--silent", "package"], "the extension cannot be packaged", folder=EXTENSION)
        _put(target, (EXTENSION / "hearth.vsix").read_bytes())
    return keep(target, "hearth-*.vsix")


def _put(target: Path, content: bytes) -> None:
    """Write a file that other processes see whole or not at all."""
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.rename(target)


def _run(command: list[str], failure: str, more: dict[str, str] | None = None, folder: Path | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{failure}: {(done.stdout + done.stderr)[-4000:]}")


@dataclass
class Frame:
    """What the ghost text was from ``at`` (milliseconds) on."""

    text: str
    at: float


@dataclass
class Workbench:
    """A window of VS Code on a folder. The methods that wait fail when it takes too long."""

    folder: Path
    url: str
    _driver: asyncio.subprocess.Process
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, *arguments: Any) -> Any:
        """Run a method of ``drive.mjs``.

        Raises:
            AssertionError: The method failed; most often what it waited for did not happen.
        """
        if self._driver.stdin is None or self._driver.stdout is None:
            raise RuntimeError("the driver was started without pipes")
        request = {"id": next(self._ids), "method": method, "arguments": arguments}
        self._driver.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(_ANSWER_SECONDS):
            line = await self._driver.stdout.readline()
        answer = json.loads(line) if line else {"error": "the driver ended"}
        if "error" in answer:
            await self._note_failure(method)
            raise AssertionError(f"{method}{arguments}: {answer['error']}")
        return answer["result"]

    async def show(self, name: str, line: int = 1, column: int = 1) -> None:
        """Show one file in the first editor, and put the cursor there (line and UTF-16 code unit, both from 1)."""
        await self.press("Control+1")
        # From the explanation panel the focus comes a moment later, and the next key would be the panel's still.
        await self.call("waitForFocus")
        await self.press("Control+p")
        await self.call("pick", "Search files by name", f"{name}:{line}:{column}")
        await self.call("pickRow", Path(name).name)
        await self.call("waitForTab", Path(name).name)
        await self.call("waitForFocus")

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, as ``Control+ArrowRight``."""
        await self.call("press", *keys)

    async def type(self, text: str) -> None:
        """Type text key by key."""
        await self.call("type", text)

    async def wait_for_ghost(self, text: str) -> None:
        """Wait until exactly this is the ghost text; empty waits until there is none."""
        await self.call("waitForGhost", text)

    async def wait_for_ghost_among(self, texts: Iterable[str]) -> str:
        """Wait until one of these, none of them empty, is the ghost text, and return it."""
        shown: str = await self.call("waitForGhostAmong", [*texts])
        return shown

    async def record(self) -> None:
        """Note the ghost text of each frame from now on."""
        await self.call("record")

    async def recorded(self) -> list[Frame]:
        """Stop recording, and return each different ghost text in order."""
        return [Frame(**frame) for frame in await self.call("recorded")]

    async def line(self, number: int) -> str:
        """Return a line (from 1) as it is on screen, without ghost text."""
        lines: list[str] = await self.call("lines")
        return lines[number - 1]

    async def wait_for_line(self, number: int, text: str) -> None:
        """Wait until a line (from 1) reads so."""
        await self.call("waitForLine", number, text)

    async def wait_for_status(self, pattern: str) -> None:
        """Wait until Hearth's item in the status bar matches."""
        await self.call("waitForStatus", pattern)

    async def save(self, name: str) -> bytes:
        """Save the active file and return its bytes."""
        await self.call("waitForUnsaved")
        await self.press("Control+s")
        await self.call("waitForSaved")
        return (self.folder / name).read_bytes()

    async def screenshot(self, name: str) -> None:
        """Keep a picture of the window."""
        await self.call("screenshot", str(SCREENSHOTS / f"{name}.png"))

    async def _note_failure(self, method: str) -> None:
        if method != "screenshot" and self._driver.returncode is None:
            with suppress(AssertionError, TimeoutError):
                test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].partition(" ")[0]
                await self.screenshot("failure-" + re.sub(r"\W+", "-", test))


@asynccontextmanager
async def workbench(
    tools: Tools,
    scratch: Path,
    opened: Path,
    name: str,
    machine: dict[str, Any],
    *,
    user: dict[str, Any] | None = None,
    keys: Sequence[dict[str, Any]] = (),
    dark: bool = True,
) -> AsyncIterator[Workbench]:
    """Run VS Code with the extension on a folder and show the file ``name``, with settings of machine and user.

    What is ``opened`` may also be the file of a workspace; ``name`` is below its folder then.
    ``keys`` are key bindings as VS Code writes them.
    """
    theme = "Default Dark Modern" if dark else "Default Light Modern"
    serving = code_server(
        tools.modules,
        scratch,
        tools.package,
        machine=machine,
        user={"workbench.colorTheme": theme, **(user or {})},
        keys=keys,
    )
    async with serving as url:
        driver = await asyncio.create_subprocess_exec(
            tools.node,
            _driver(tools),
            env=own_folders(scratch),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
        )
        bench = Workbench(folder_of(opened), url, driver)
        try:
            await bench.call("start", tools.chromium, page_url(url, opened, name), dark)
            await bench.call("focus")
            yield bench
        finally:
            await end(driver, close_input=True)


def _driver(tools: Tools) -> Path:
    """Put the driver beside the packages that it imports; another checkout may have another one there."""
    source = (CODE_SERVER / "drive.mjs").read_bytes()
    target = tools.modules.parent / f"drive-{hashlib.sha256(source).hexdigest()[:16]}.mjs"
    if not target.exists():
        _put(target, source)
    return keep(target, "drive-*.mjs")
