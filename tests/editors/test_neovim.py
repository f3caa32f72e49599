"""The Neovim plugin in real Neovim: each case of ``neovim/specs`` is a test here."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.editors.conftest import WritingModel
from tests.editors.neovim_child import PLUGIN, Case, cases, run_case
from tests.editors.shop import LIMIT_SECONDS, Shop, Way, way_to
from tests.editors.torture import TORTURE, Torture
from tests.patience import patient_model

pytestmark = pytest.mark.real


@pytest.mark.parametrize("case", cases("ghost_text", "accept", "text", "menu", "lifecycle", "explain"))
def test_scripted_server(neovim: Path, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case)


def test_hard_texts_are_taken_and_undone_byte_for_byte(neovim: Path, tmp_path: Path) -> None:
    far_down = "value = 1\n" * 50_000 + TORTURE[2].before
    many_lines = replace(TORTURE[2], name="50,000 lines", file="torture/many.py", before=far_down)
    texts = [as_lua_reads_it(text) for text in (*TORTURE, many_lines)]
    (tmp_path / "torture.json").write_text(json.dumps(texts))
    [only] = cases("torture")
    case = only.values[0]
    assert isinstance(case, Case)
    run_case(neovim, tmp_path, case)


def as_lua_reads_it(case: Torture) -> dict[str, Any]:
    """Return a case with all that is made of its fields; positions are the protocol's."""
    line, column = replace(case, before=case.before + case.typed).cursor
    made = {name: getattr(case, name) for name in ("text", "shown", "asked", "taken")}
    return {**asdict(case), **made, "position": {"line": line - 1, "character": column - 1}}


@pytest.mark.parametrize("case", cases("server"))
def test_real_server(neovim: Path, way: Way, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case, way.environment())


@pytest.mark.parametrize("case", cases("team"))
@pytest.mark.parametrize("way", ["team"], indirect=True)
def test_team_server(neovim: Path, way: Way, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case, way.environment())


@pytest.mark.parametrize("case", cases("model"))
@pytest.mark.parametrize("where", ["alone", "team"])
async def test_model_server(
    neovim: Path, shop: Shop, writing_model: WritingModel, tmp_path: Path, *, case: Case, where: str
) -> None:
    settings = patient_model(writing_model.url)

    def run() -> None:
        with way_to(where, shop, tmp_path, settings) as way:
            run_case(neovim, tmp_path, case, way.environment())

    await asyncio.to_thread(run)


@pytest.mark.parametrize("case", cases("latency"))
def test_latency(neovim: Path, tmp_path: Path, case: Case) -> None:
    run_case(neovim, tmp_path, case)


@pytest.mark.usefixtures("neovim")
def test_lua_is_clean() -> None:
    done = subprocess.run([PLUGIN / "check.sh"], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
