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
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "adapter_config.json").write_text("{}")
    empty = tmp_path / "empty"
    empty.mkdir()
    lora = f'{{ a = "{tmp_path}/a", b = "/models/b", c = "{empty}" }}'
    configuration.write_text(configuration.read_text() + f"lora = {lora}\n")
    problems = hearth("engine", "plan", "--json", "--config", configuration).json()["problems"]
    assert problems[1:] == [
        f"completion: there is no model in {name}: the directory does not exist, or has no config.json"
        for name in ("/models/Qwen2.5-Coder-7B", "/models/b", empty)
    ]
    text = configuration.read_text().replace("/models/Qwen2.5-Coder-7B", "acme/no-such-coder")
    configuration.write_text(text)
    problems = hearth("engine", "plan", "--json", "--config", configuration).json()["problems"]
    assert problems[1].startswith("completion: acme/no-such-coder is not on this machine")
    configuration.write_text(text.replace('device = "cpu"', 'device = "cpu"\noffline = false'))
    problems = hearth("engine", "plan", "--json", "--config", configuration).json()["problems"]
    assert [problem.partition(":")[2].split(":")[0] for problem in problems[1:]] == [
        " there is no model in /models/b",
        f" there is no model in {empty}",
    ]
