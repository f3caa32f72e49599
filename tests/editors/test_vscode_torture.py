"""Ghost text in real VS Code where the text itself is hard: each suggestion is taken and undone, to the byte."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.model_server import running_model_server
from tests.editors.torture import TORTURE, Torture
from tests.editors.vscode_shop import make_shop, write_on
from tests.editors.vscode_workbench import Workbench, install, workbench
from tests.patience import PATIENT, patient_model

pytestmark = pytest.mark.real


async def test_hard_texts_are_taken_and_undone_byte_for_byte(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    shop.repository.write({case.file: case.text for case in TORTURE})
    config = tmp_path / "hearth.toml"
    async with running_model_server() as model:
        config.write_text(f"{patient_model(model.url)}{PATIENT}")
        async with workbench(
            install(), tmp_path, shop.repository.path, "shop/audit.py", shop.settings(config)
        ) as bench:
            await bench.wait_for_status("Hearth: model")
            for case in TORTURE:
                writing = asyncio.create_task(write_on(model, case.typed, case.suggestion))
                await taken_and_undone(bench, case)
                writing.cancel()


async def taken_and_undone(bench: Workbench, case: Torture) -> None:
    await bench.show(case.file, *case.cursor)
    await bench.type(case.typed)
    await bench.wait_for_ghost(case.shown)
    await bench.screenshot(f"torture-{Path(case.file).stem}-dark")
    await bench.press("Control+ArrowRight")
    await bench.wait_for_ghost_among(case.shown[start:] for start in range(1, len(case.shown)))
    await bench.press("Control+z")
    await bench.wait_for_ghost(case.shown)
    assert await bench.save(case.file) == case.asked.encode(), case.name
    await bench.press("Tab")
    await bench.wait_for_ghost("")
    assert await bench.save(case.file) == case.taken.encode(), case.name
    await bench.press("Control+z")
    assert await bench.save(case.file) == case.asked.encode(), case.name
