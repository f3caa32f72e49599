"""What the benchmark of keys in VS Code concludes from what it saw, and a short run of it in the real VS Code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.vscode import figures
from tests.editors.vscode_workbench import install


def turn(window: str, number: int, *ms: float, ghosts: int = 1) -> dict[str, Any]:
    return {"window": window, "round": number, "ms": ms, "ghosts": ghosts}


def test_what_was_added_is_said_in_all_and_by_round() -> None:
    rounds = [turn("off", 0, 10, 12), turn("on", 0, 11, 13), turn("off", 1, 10, 12), turn("on", 1, 13, 15)]
    values = figures(rounds)
    assert [added["p50"] for added in values["added_key_ms_by_round"]] == [1, 3]
    assert 1 <= values["p50_added_key_ms"] <= 3
    assert values["p95_added_key_ms_low"] <= values["p95_added_key_ms"] <= values["p95_added_key_ms_high"]
    assert values["shown"] == 2


def test_a_run_in_which_nothing_was_suggested_counts_for_nothing() -> None:
    with pytest.raises(RuntimeError, match="no suggestion was shown"):
        figures([turn("off", 0, 10), turn("on", 0, 10, ghosts=0)])


@pytest.mark.real
def test_short_run(tmp_path: Path) -> None:
    tools = install()
    output = tmp_path / "result.json"
    command = [sys.executable, "-m", "benchmarks.vscode", "--code-server", str(tools.modules.parent)]
    command += ["--package", str(tools.package)]
    options = ["--lines", "2000", "--keys", "50", "--rounds", "1", "--output", str(output)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert result["keys"] == 50
    assert result["p50_key_off_ms"] > 0
    assert result["p50_key_on_ms"] > 0
