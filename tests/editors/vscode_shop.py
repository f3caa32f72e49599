"""A repository that editors open in tests, and what a model says of it."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Repository
from tests.e2e.model_server import Call, ModelServer
from tests.editors.shop import MONEY
from tests.editors.vscode_workbench import Frame
from tests.server.gateway.team import HEARTH

REPORT = '''"""Reports on carts."""

from shop.cart import Cart


def {name}(carts: list[Cart]) -> list[str]:
    """Say what is in every cart."""
    lines = []
    for cart in carts:
        total = cart.total_in_euro()
        lines.append(f"{{cart.owner}}: {{total.amount}} {{total.currency}}")
    return lines
'''
AUDIT = """from shop.cart import Cart


def audit(carts: list[Cart]) -> None:
    for cart in carts:"""
CART_TS = """// Carts, as the shop window knows them.

export interface Cart {
  owner: string;
}

export function owners(carts: Cart[]): string[] {
  return """
WINDOWS = "def f():\r\n\tnames = '👩‍💻 é'\r\n\t"


@dataclass(frozen=True, slots=True)
class Shop:
    """A repository, its index, and the program that serves it."""

    repository: Repository
    data: Path
    program: Path
    processes: Path

    def settings(self, config: Path) -> dict[str, Any]:
        """Return the machine settings of VS Code."""
        return {
            "hearth.server.path": str(self.program),
            "hearth.data": str(self.data),
            "hearth.config": str(config),
        }

    def server_process(self) -> int:
        """Return the process id of the server that was started last."""
        return int(self.processes.read_text().split()[-1])


def make_shop(directory: Path) -> Shop:
    """Make the repository, index it, and put the program `hearth` beside them."""
    path = directory / "shop"
    path.mkdir()
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit(
        {
            "shop/money.py": MONEY,
            # Said often enough for an engine without a model to be sure of it.
            **{f"shop/{name}.py": REPORT.format(name=name) for name in ("report", "weekly", "monthly", "yearly")},
            "shop/audit.py": AUDIT,
            "shop/cart.ts": CART_TS,
            "shop/windows.py": WINDOWS,
            "shop/.env": "TOKEN=",
        }
    )
    data = directory / "data"
    subprocess.run([*HEARTH, "index", path, "--data", data], check=True, capture_output=True, timeout=300)
    # The program that a user would have in PATH; it also notes which processes ran.
    program, processes = directory / "bin" / "hearth", directory / "processes"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho $$ >> {shlex.quote(str(processes))}\nexec {shlex.join(HEARTH)} "$@"\n')
    program.chmod(0o755)
    return Shop(repository, data, program, processes)


async def asked(model: ModelServer, prefix: str) -> Call:
    """Return the request for the text after ``prefix``; those before it were overtaken."""
    async with asyncio.timeout(60):
        while True:
            call = await model.next_call()
            if prefix in call.prompt:
                return call
            call.write(None)


async def write_on(model: ModelServer, before: str, text: str) -> None:
    """Answer every request with what is left of ``text``, which stands after ``before``."""
    while True:
        call = await model.calls.get()
        typed = call.prompt.rpartition(before)[2].partition("<|")[0]
        call.write(text.removeprefix(typed) if text.startswith(typed) else "", None)


def grew(frames: list[Frame]) -> list[str]:
    """Return the steps in which ghost text grew; fail when it blinked or went back."""
    texts = [frame.text for frame in frames]
    first = next(index for index, text in enumerate(texts) if text)
    steps = texts[first:]
    assert "" not in steps, f"the ghost text blinked: {texts}"
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(steps)), steps
    return steps
