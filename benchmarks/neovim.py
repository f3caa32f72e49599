"""What the Neovim plugin adds to the time from a key to the screen, in a large file, with a real server and terminal.

``python -m benchmarks.neovim [--neovim PROGRAM] [--lines N] [--keys N]``. Two Neovims with the same file are typed into
in turns, one with the plugin and `hearth lsp` behind it, one without, so that whatever else runs hits both alike.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from benchmarks.report import environment, summary, write

_HEARTH = str(Path(sys.executable).with_name("hearth"))
_PLUGIN = Path(__file__).resolve().parents[1] / "editors" / "neovim"
_ROWS, _COLUMNS = 40, 120
_TURN = 25
_STATEMENTS = "    total_{0} = add_up(order_{0}, {0})\n"
_START_SECONDS = 60.0
_SCREEN_SECONDS = 10.0
_CONTROL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[P_^][^\x1b]*\x1b\\|.)")
_INIT = """vim.opt.runtimepath:prepend({plugin})
vim.o.swapfile = false
_G.drawn = 0
if {with_plugin} then
  local ghost = require("hearth.ghost")
  local draw = ghost.draw
  ghost.draw = function(drawing) _G.drawn = _G.drawn + 1; draw(drawing) end
  require("hearth").setup({{ cmd = {{ {hearth}, "lsp" }}, data = {data}, auto_index = false }})
end
"""


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neovim", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--neovim", default="nvim", help="the program [default: nvim]")
    parser.add_argument("--lines", type=int, default=50_000, help="lines of the file")
    parser.add_argument("--keys", type=int, default=1_000, help="keys that each of the two gets")
    parser.add_argument("--pause-ms", type=float, default=60.0, help="median pause between two keys")
    parser.add_argument("--output", type=Path, help="file for the JSON [default: in benchmarks/results/]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")
    options = parser.parse_args()
    program = shutil.which(options.neovim)
    if program is None:
        parser.error(f"{options.neovim} is not a program; name one by --neovim")
    with tempfile.TemporaryDirectory(prefix="hearth-neovim-") as scratch:
        measured = _measure(Path(scratch), program, options.lines, options.keys, options.pause_ms / 1000)
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split("\n")[0]
    result = {**environment(), "neovim": version, "lines": options.lines, "keys": options.keys, **measured}
    path = write("neovim", result, options.output)
    if options.json:
        print(json.dumps(result))
    else:
        _print(result, path)
    return 0


def _measure(scratch: Path, program: str, lines: int, keys: int, pause_s: float) -> dict[str, Any]:
    """Type the same keys into both, in turns, and return what each key took."""
    chance = random.Random(7)
    text = "".join(_STATEMENTS.format(number) for number in range(lines))
    typed = "".join(_STATEMENTS.format(lines + number).strip(" \n") + " " for number in range(keys // 20))[:keys]
    took: dict[str, list[float]] = {"off": [], "on": []}
    with _Neovim(scratch / "off", program, text) as off, _Neovim(scratch / "on", program, text, plugin=True) as on:
        for editor in (off, on):
            # A line of its own in the middle, in insert mode; the first words are not measured.
            editor.type(f"{lines // 2}Go".encode())
            for character in "first = 1; ":
                editor.key(character)
                time.sleep(pause_s)
        for start in range(0, len(typed), _TURN):
            for name, editor in (("off", off), ("on", on)):
                for character in typed[start : start + _TURN]:
                    took[name].append(editor.key(character))
                    # At each blank one looks up for a while, so that what is suggested is drawn.
                    time.sleep(pause_s * chance.lognormvariate(0.0, 0.4) * (4 if character == " " else 1))
                # The next turn begins on a line of its own, so that lines stay of a common length.
                editor.type(b"\r")
        drawn = on.ask("_G.drawn")
    if not drawn:
        raise RuntimeError("no suggestion was drawn: the plugin was not at work")
    values = {**summary("key_off", took["off"]), **summary("key_on", took["on"])}
    added = {
        f"{share}_added_key_ms": round(values[f"{share}_key_on_ms"] - values[f"{share}_key_off_ms"], 3)
        for share in ("p50", "p95", "p99")
    }
    return {"drawn": drawn, **values, **added}


class _Neovim:
    """Neovim in a pseudo terminal, with a file open. A context manager that ends it."""

    def __init__(self, folder: Path, program: str, text: str, *, plugin: bool = False) -> None:
        folder.mkdir()
        self._program = program
        self._socket = folder / "socket"
        self._buffer = b""
        file, init = folder / "orders.py", folder / "init.lua"
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
        file.write_text(text)
        words = {"plugin": str(_PLUGIN), "hearth": _HEARTH, "data": str(folder / "data")}
        quoted = {name: json.dumps(value) for name, value in words.items()}
        init.write_text(_INIT.format(with_plugin=json.dumps(plugin), **quoted))
        self._terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        homes = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        self._process = subprocess.Popen(
            [program, "--clean", "-n", "--listen", str(self._socket), "-u", str(init), str(file)],
            stdin=other,
            stdout=other,
            stderr=other,
            env={**os.environ, **homes, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        os.close(other)
        ready = (
            'require("hearth.client").for_buffer(vim.api.nvim_get_current_buf()) ~= nil'
            if plugin
            else "vim.v.vim_did_enter == 1"
        )
        give_up = time.monotonic() + _START_SECONDS
        while not (self._socket.exists() and self.ask(ready)):
            self._read(0.2)
            if time.monotonic() > give_up:
                raise TimeoutError(f"Neovim or its server did not start within {_START_SECONDS:.0f} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._terminal)

    def ask(self, expression: str) -> Any:
        """Return the value of a Lua expression; this takes long, and is not for the time between two keys."""
        command = [self._program, "--server", str(self._socket), "--remote-expr"]
        asked = f"luaeval('vim.json.encode({expression})')"
        # It fails while the configuration has not been read.
        done = subprocess.run([*command, asked], capture_output=True, text=True, check=False)
        return json.loads(done.stdout or "null")

    def type(self, keys: bytes) -> None:
        """Press keys and wait until nothing more is drawn."""
        os.write(self._terminal, keys)
        while self._read(0.3):
            pass

    def key(self, character: str) -> float:
        """Press a key, and return the seconds until the terminal was told to show it."""
        while self._read(0.0):
            pass
        self._buffer = b""
        started = time.perf_counter()
        os.write(self._terminal, character.encode())
        # For a blank on a blank only the cursor moves: whatever is drawn first is the key's.
        wanted = character.encode()
        while wanted not in self._shown() and not (character == " " and self._buffer):
            if not self._read(_SCREEN_SECONDS):
                raise TimeoutError(f"{character!r} was not shown within {_SCREEN_SECONDS:.0f} s")
        return time.perf_counter() - started

    def _shown(self) -> bytes:
        return _CONTROL.sub(b"", self._buffer)

    def _read(self, wait_s: float) -> bool:
        """Take in what the terminal is told; false when there was nothing for so long."""
        if not select.select([self._terminal], [], [], wait_s)[0]:
            return False
        self._buffer += os.read(self._terminal, 1 << 16)
        return True


def _print(result: dict[str, Any], path: Path) -> None:
    console = Console(highlight=False)
    console.print(f"{result['machine']}, {result['neovim']}, {result['lines']:,} lines, {result['drawn']} drawings")
    table = Table(box=None, pad_edge=False)
    for header in ("from key to screen", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(header, justify="left" if header.startswith("from") else "right")
    for label, name in (("without the plugin", "key_off"), ("with it", "key_on"), ("added", "added_key")):
        table.add_row(label, *(f"{result[f'{share}_{name}_ms']:.2f}" for share in ("p50", "p95", "p99")))
    console.print(table)
    console.print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
