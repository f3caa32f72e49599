"""The Neovim plugin in real Neovim: each case of ``neovim/specs`` is a test here."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.conftest import Repository
from tests.e2e.model_server import ModelServer, running_model_server

HERE = Path(__file__).parent
SPECS = HERE / "neovim" / "specs"
PLUGIN = HERE.parent.parent / "editors" / "neovim"
HEARTH = [sys.executable, "-P", "-m", "server.cli"]
CACHE = Path(os.environ.get("HEARTH_CI_CACHE") or Path.home() / ".cache" / "hearth-ci")
LIMIT_SECONDS = 200

pytestmark = pytest.mark.real

CART = '''"""The cart of a shop."""

from shop.money import Money, convert_to_euro


class Cart:
    """What a customer wants to buy."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries: list[Entry] = []

    def total_in_euro(self) -> Money:
        """Add up all entries, each converted to euro."""
        total = Money(0, "EUR")
        for entry in self.entries:
            total = total.plus(convert_to_euro(entry.price))
        return total
'''
MONEY = '''"""Amounts of money."""


class Money:
    """An amount in a currency."""

    def plus(self, other: "Money") -> "Money":
        """Add two amounts of one currency."""
        return Money(self.amount + other.amount, self.currency)


def convert_to_euro(price: Money) -> Money:
    """Convert any amount to euro by the rate of the day."""
    return Money(price.amount * 2, "EUR")
'''
REPORT = '''"""Reports on carts."""

from shop.cart import Cart


def report(carts: list[Cart]) -> list[str]:
    """Say what is in every cart."""
    lines = []
    for cart in carts:
        total = cart.total_in_euro()
        lines.append(f"{cart.owner}: {total.amount} {total.currency}")
    return lines
'''
PATIENT = """[completion]
deadline_ms = 60000
[context]
deadline_ms = 10000
"""
REPORTS = ("report", "invoice", "reminder", "statement", "receipt", "estimate")
AUDIT = """from shop.cart import Cart


def audit(carts: list[Cart]) -> None:
    for cart in carts:
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a file in ``specs``."""

    spec: str
    name: str


def cases(*specs: str) -> list[ParameterSet]:
    """Return every case of the specs, in order, as a parameter."""
    found: list[ParameterSet] = []
    for spec in specs:
        text = (SPECS / f"{spec}.lua").read_text()
        names = re.findall(r'^case\(\s*"((?:[^"\\]|\\.)*)",\s*function', text, re.MULTILINE)
        # The name of a case in a loop ends with what the loop runs over.
        names += [
            name + word
            for words, name in re.findall(r'ipairs\(\{([^}]*)\}\) do\n  case\(\s*"((?:[^"\\]|\\.)*)" \.\.', text)
            for word in re.findall(r'"([^"]*)"', words)
        ]
        found += [pytest.param(Case(spec, name), id=f"{spec}: {name}") for name in names]
    return found


@pytest.fixture(scope="session")
def neovim() -> Path:
    """Neovim, installed into the cache when it is not there."""
    wanted = CACHE / "nvim"
    done = subprocess.run([HERE / "install_neovim.sh", wanted], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"Neovim cannot be installed: {done.stderr}")
    return wanted / "bin" / "nvim"


def environment(scratch: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a Neovim that knows nothing of the user's."""
    folders = {f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {
        **os.environ,
        **folders,
        "LC_ALL": "C.UTF-8",
        "HEARTH_TEST_DIR": str(scratch),
        "HEARTH_TEST_PYTHON": sys.executable,
        **(more or {}),
    }


def run_case(neovim: Path, scratch: Path, case: Case, more: Mapping[str, str] | None = None) -> None:
    """Run one case of a spec; what it prints is the reason when it fails."""
    done = subprocess.run(
        [neovim, "--clean", "-l", HERE / "neovim" / "run.lua", case.spec, case.name],
        env=environment(scratch, more),
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", cases("ghost_text", "accept", "text", "lifecycle", "explain"))
def test_scripted_server(neovim: Path, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case)


@dataclass(frozen=True, slots=True)
class Shop:
    """A repository and its index."""

    repository: Repository
    data: Path
    config: Path

    def environment(self) -> dict[str, str]:
        """Return what the specs with the real server read."""
        return {
            "HEARTH_TEST_REPOSITORY": str(self.repository.path),
            "HEARTH_TEST_DATA": str(self.data),
            "HEARTH_TEST_CONFIG": str(self.config),
            "HEARTH_TEST_COMMAND": json.dumps([*HEARTH, "lsp"]),
        }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    path = folder / "shop"
    path.mkdir()
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit(
        {
            "shop/cart.py": CART,
            "shop/money.py": MONEY,
            # Said often enough for an engine without a model to be sure of it.
            **{f"shop/{name}.py": REPORT.replace("report", name) for name in REPORTS},
            "shop/audit.py": AUDIT,
            "shop/windows.py": AUDIT.replace("\n", "\r\n"),
        }
    )
    data = folder / "data"
    subprocess.run([*HEARTH, "index", path, "--data", data], check=True, capture_output=True, timeout=LIMIT_SECONDS)
    config = folder / "hearth.toml"
    config.write_text(PATIENT)
    return Shop(repository, data, config)


@pytest.mark.parametrize("case", cases("server"))
def test_real_server(neovim: Path, shop: Shop, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case, shop.environment())


MODEL_WRITES = "cart.total_in_euro() + cart.other() + cart.rest() + cart.last()"


@pytest.fixture
async def writing_model() -> AsyncIterator[ModelServer]:
    """A model that knows how ``total = `` goes on, and writes a word of it each fifth of a second."""

    async def write(model: ModelServer) -> None:
        while True:
            call = await model.calls.get()
            typed = call.prompt.rpartition("total = ")[2].partition("<|")[0]
            rest = MODEL_WRITES.removeprefix(typed) if MODEL_WRITES.startswith(typed) else ""
            for word in re.findall(r"\W*\w+|\W+$", rest):
                call.write(word)
                await asyncio.sleep(0.2)
            call.write(None)

    async with running_model_server() as model:
        writing = asyncio.create_task(write(model))
        yield model
        writing.cancel()


@pytest.mark.parametrize("case", cases("model"))
async def test_model_server(neovim: Path, shop: Shop, writing_model: ModelServer, tmp_path: Path, case: Case) -> None:
    config = tmp_path / "hearth.toml"
    config.write_text(f'[engine.vllm]\nurl = "{writing_model.url}"\n{PATIENT}')
    more = {**shop.environment(), "HEARTH_TEST_CONFIG": str(config)}
    await asyncio.to_thread(run_case, neovim, tmp_path, case, more)


class Terminal:
    """A terminal of its own with Neovim in it."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", os.devnull, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def start(self, command: list[str], variables: Mapping[str, str]) -> None:
        pairs = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        self._tmux("-u", "new-session", "-d", "-x", "80", "-y", "16", *pairs, *command)

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    async def wait_for(self, text: str) -> str:
        """Wait until the screen holds ``text``, and return the screen."""
        try:
            async with asyncio.timeout(60):
                while True:
                    screen = await asyncio.to_thread(self.screen)
                    if text in screen:
                        return screen
                    # A terminal has no event for new text.
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"no {text!r} in\n{self.screen()}") from None

    def stop(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    # The path of a socket may have some hundred bytes only.
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.stop()


async def test_in_a_terminal(neovim: Path, shop: Shop, terminal: Terminal, tmp_path: Path) -> None:
    init = tmp_path / "init.lua"
    command = json.dumps([*HEARTH, "lsp"])
    init.write_text(
        f"vim.opt.runtimepath:prepend({json.dumps(str(PLUGIN))})\n"
        f"require('hearth').setup({{ cmd = vim.json.decode('{command}'), data = {json.dumps(str(shop.data))},"
        f" config_file = {json.dumps(str(shop.config))}, auto_index = false }})\n"
        "vim.o.statusline = '%f %{v:lua.require(\"hearth\").statusline()}'\n"
        "vim.o.termguicolors = true\n"
        "vim.o.laststatus = 2\n"
    )
    variables = environment(tmp_path)
    terminal.start(
        [str(neovim), "--clean", "-n", "-u", str(init), str(shop.repository.path / "shop" / "audit.py")],
        {name: variables[name] for name in variables if name.startswith(("XDG_", "LC_"))},
    )
    await terminal.wait_for("Hearth embedded")
    terminal.type("G", "o", "total = ")
    screen = await terminal.wait_for("total = cart")
    assert "-- INSERT --" in screen
    line = next(line for line in terminal.screen(colours=True).splitlines() if "cart" in line and "total" in line)
    typed = line.partition("cart")[0]
    # Ghost text has a colour of its own: an escape sequence stands between what was typed and what is suggested.
    assert re.search(r"\x1b\[[0-9;]*38;[0-9;]*m$", typed), repr(line)
    assert "total" in typed, repr(line)
    terminal.type("Tab")
    terminal.type("Escape")
    terminal.type(":w! ", str(tmp_path / "saved.py"), "Enter")
    await terminal.wait_for("written")
    assert "\n        total = cart" in (tmp_path / "saved.py").read_text()


@pytest.mark.parametrize("case", cases("latency"))
def test_latency(neovim: Path, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case)


@pytest.mark.usefixtures("neovim")
def test_lua_is_clean() -> None:
    done = subprocess.run([PLUGIN / "check.sh"], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
