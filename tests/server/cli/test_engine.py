"""``hearth engine``, without a vLLM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.server.cli.conftest import Hearth


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "hearth.toml"
    file.write_text(
        f'[data]\ndirectory = "{tmp_path / "data"}"\n[engine.launcher]\ndevice = "cpu"\n'
        '[engine.launcher.completion]\nmodel = "/models/Qwen2.5-Coder-7B"\n'
    )
    return file


def test_plan_shows_the_command_line_and_what_is_missing(hearth: Hearth, configuration: Path) -> None:
    plan = hearth("engine", "plan", "--json", "--config", configuration).json()
    assert plan["device"] == "cpu"
    (instance,) = plan["instances"]
    assert instance["command"][0] == sys.executable
    assert all(flag["reason"] for flag in instance["flags"])
    assert "has no vLLM" in plan["problems"][0]
    shown = hearth("engine", "plan", "--config", configuration).out
    assert "--max-model-len 8192  # " in shown
    assert "problem: " in shown


def test_plan_without_a_model_says_which_setting(hearth: Hearth, tmp_path: Path) -> None:
    assert "[engine.launcher.completion]" in hearth("engine", "plan", "--data", tmp_path / "data").out


def test_up_without_vllm_says_how_to_get_it(hearth: Hearth, configuration: Path) -> None:
    outcome = hearth("engine", "up", "--config", configuration)
    assert outcome.code == 10
    assert "has no vLLM" in outcome.err
    assert "docs/vllm.md" in outcome.err


def test_up_without_a_model_says_which_setting(hearth: Hearth, tmp_path: Path) -> None:
    outcome = hearth("engine", "up", "--data", tmp_path / "data")
    assert outcome.code == 10
    assert "[engine.launcher.completion]" in outcome.err


def test_nothing_runs(hearth: Hearth, tmp_path: Path) -> None:
    outcome = hearth("engine", "status", "--json", "--data", tmp_path / "data")
    assert outcome.code == 1
    assert outcome.json() == {"running": False, "pid": 0, "servers": []}
    assert "No model servers run here" in hearth("engine", "down", "--data", tmp_path / "data").out


def test_a_model_that_may_not_be_used_is_not_started(hearth: Hearth, configuration: Path) -> None:
    text = configuration.read_text().replace("Qwen2.5-Coder-7B", "Codestral-22B-v0.1")
    configuration.write_text(text + '[models]\nallowed_licences = ["MIT"]\n')
    outcome = hearth("engine", "up", "--config", configuration)
    assert outcome.code == 10
    assert 'The model "Codestral-22B-v0.1" has the licence MNPL-0.1' in outcome.err
    configuration.write_text("[engine]\nlaunch = true\n" + configuration.read_text())
    outcome = hearth("config", "check", "--config", configuration)
    assert (outcome.code, "has the licence MNPL-0.1" in outcome.out) == (2, True)


def test_plan_names_what_is_not_on_the_machine(hearth: Hearth, configuration: Path, tmp_path: Path) -> None:
    configuration.write_text(configuration.read_text() + f'lora = {{ a = "{tmp_path}", b = "/models/b" }}\n')
    problems = hearth("engine", "plan", "--json", "--config", configuration).json()["problems"]
    assert problems[1:] == [
        "completion: there is no directory /models/Qwen2.5-Coder-7B",
        "completion: there is no directory /models/b",
    ]
    text = configuration.read_text().replace("/models/Qwen2.5-Coder-7B", "acme/no-such-coder")
    configuration.write_text(text)
    problems = hearth("engine", "plan", "--json", "--config", configuration).json()["problems"]
    assert problems[1].startswith("completion: acme/no-such-coder is not on this machine")
    configuration.write_text(text.replace('device = "cpu"', 'device = "cpu"\noffline = false'))
    problems = hearth("engine", "plan", "--json", "--config", configuration).json()["problems"]
    assert problems[1:] == ["completion: there is no directory /models/b"]
