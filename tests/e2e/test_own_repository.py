"""Hearth on Hearth: the repository that these tests stand in, cloned."""

from __future__ import annotations

import asyncio
import random
import subprocess
from pathlib import Path

import pytest

from tests.e2e.editor import open_editor, plain
from tests.patience import WAIT_SECONDS

HERE = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    target = tmp_path / "hearth"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(HERE), str(target)], check=True, capture_output=True)
    return target


@pytest.mark.skipif(not (HERE / ".git").exists(), reason="not in a git repository")
async def test_completes_and_explains_its_own_code(clone: Path, tmp_path: Path) -> None:
    async with open_editor(clone, tmp_path / "data") as editor:
        await editor.wait_for_status(lambda value: value.index.state == "ready")
        file = clone / "server" / "errors.py"
        text = file.read_text()
        editor.open(file.as_uri(), text)
        places = random.Random(7).sample(range(len(text)), 20)
        for offset in places:
            line, column = text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1
            rest = text[offset:].partition("\n")[0].strip()
            suggestion = await editor.completed(file.as_uri(), line, column)
            assert not (rest and suggestion.strip() == rest)
            assert "\r" not in suggestion
        line = text.count("\n", 0, text.index("class EngineBusy"))
        async with asyncio.timeout(WAIT_SECONDS):
            result = plain(await editor.explain(file.as_uri(), (line, 8), (line, 8)).result)
        assert "EngineBusy" in result["markdown"]
        assert result["citations"]
        for citation in result["citations"]:
            lines = (clone / citation["path"]).read_text().splitlines()
            assert 1 <= citation["startLine"] <= citation["endLine"] <= len(lines)
