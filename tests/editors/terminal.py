"""A real terminal with an editor in it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.patience import WAIT_SECONDS

COLUMNS = 100


class Terminal:
    """A terminal of its own.

    Args:
        tmux: The program that is the terminal.
        folder: Where its socket may be. The path may have some hundred bytes only.
    """

    def __init__(self, tmux: Path, folder: Path) -> None:
        self._program = tmux
        self._socket = folder / "tmux"

    def _tmux(self, *arguments: str) -> str:
        command = [str(self._program), "-S", str(self._socket), "-f", os.devnull, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=WAIT_SECONDS).stdout

    def start(
        self, command: list[str], variables: Mapping[str, str], folder: Path, lines: int = 16, columns: int = COLUMNS
    ) -> None:
        """Run a program in ``folder`` on a screen of so many lines and columns."""
        pairs = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        size = ["-x", str(columns), "-y", str(lines)]
        self._tmux("-u", "new-session", "-d", "-c", str(folder), *size, *pairs, *command)
        # Otherwise ESC waits for what could make it one key with the next.
        self._tmux("set-option", "-s", "escape-time", "0")

    def type(self, *keys: str) -> None:
        """Press keys, by their names in tmux, or type text."""
        self._tmux("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        """Return the text on the screen, with escape sequences for its colours if wanted."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    async def wait_for(self, pattern: str) -> str:
        """Wait until the screen has text like ``pattern``, in which ^ and $ are those of lines; return the screen."""
        return await self._watch(pattern, is_there=True)

    async def wait_until_gone(self, pattern: str) -> str:
        """Wait until the screen has no text like ``pattern``; return the screen."""
        return await self._watch(pattern, is_there=False)

    async def wait_for_ghost(self, typed: str, suggested: str) -> None:
        """Wait until ``suggested`` stands behind ``typed`` on one line, and only that in a colour of its own."""
        colour = r"(?:\x1b\[[0-9;]*m)+"
        await self._watch(re.escape(typed) + colour + re.escape(suggested) + colour, is_there=True, colours=True)

    async def _watch(self, pattern: str, *, is_there: bool, colours: bool = False) -> str:
        wanted = re.compile(pattern, re.MULTILINE)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    screen = await asyncio.to_thread(self.screen, colours=colours)
                    if (wanted.search(screen) is not None) == is_there:
                        return screen
                    # A terminal has no event for new text.
                    await asyncio.sleep(0.05)
        except TimeoutError:
            problem = f"{pattern!r} {'does not come' if is_there else 'stays'}"
            raise AssertionError(f"{problem}:\n{self.screen()}\n{self.screen(colours=True)!r}") from None

    def stop(self) -> None:
        """End it and what runs in it."""
        begun = self._processes()
        subprocess.run([self._program, "-S", str(self._socket), "kill-server"], capture_output=True, check=False)
        # Neovim's screen ends with its terminal; what it shows is another process, which may wait for a key for ever.
        for process_id in begun:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """Return the ids of the program and of what it started."""
        listed = subprocess.run(
            [self._program, "-S", str(self._socket), "list-panes", "-a", "-F", "#{pane_pid}"],
            capture_output=True,
            text=True,
            check=False,
        )
        found = [int(word) for word in listed.stdout.split()]
        for process_id in found:
            with suppress(OSError):
                found += map(int, Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split())
        return found
