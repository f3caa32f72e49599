"""The command as a whole: help, usage, exit codes, pipes, interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.server.cli.conftest import Hearth

COMMANDS = ["index", "status", "skips", "search", "complete", "explain", "lsp", "doctor", "models", "config"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_worth_reading(hearth: Hearth, command: str) -> None:
    outcome = hearth(command, "--help")
    assert outcome.code == 0
    assert "Usage: hearth" in outcome.out
    first_sentence = outcome.out.split("Usage:")[1].splitlines()[2].strip()
    assert first_sentence.endswith(".")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"config", "models"}))
def test_shared_options_are_everywhere(hearth: Hearth, command: str) -> None:
    text = hearth(command, "--help").out
    for option in ("--data", "--config", *(("--json",) if command != "lsp" else ())):
        assert option in text


def test_the_list_of_commands(hearth: Hearth) -> None:
    text = hearth("--help").out
    for command in COMMANDS:
        assert f" {command} " in text


def test_version(hearth: Hearth) -> None:
    assert hearth("--version").out == f"hearth {version('hearth')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["complet"], "Did you mean 'complete'?"),
        (["complete"], "give either FILE:LINE:COL or --cases FILE"),
        (["complete", "a.py:1:1", "--engine", "gpt"], "gpt"),
        (["explain"], "FILE:LINE"),
        (["models", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_explained_on_standard_error(hearth: Hearth, arguments: list[str], said: str) -> None:
    outcome = hearth(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("hearth: ")
    assert said in outcome.err
    assert "--help` says how it is used" in outcome.err
    assert outcome.out == ""


def test_errors_are_json_as_well_when_asked_for(hearth: Hearth) -> None:
    outcome = hearth("explain", "absent.py:1", "--json")
    assert outcome.code == 11
    assert outcome.err.splitlines()[0] == "hearth: absent.py: there is no such file"
    error = outcome.json()["error"]
    assert (error["code"], error["message"]) == ("invalid-position", "absent.py: there is no such file")
    assert error["advice"]


def test_a_data_directory_that_is_a_file_is_refused(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    outcome = hearth("explain", "README.md:1", "--data", file)
    assert outcome.code == 5
    assert "--data" in outcome.err


def test_an_unknown_setting_stops_every_command(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text("\n[engine]\nfailurs = 3\n")
    for command in (["complete", "a.py:1:1"], ["status"], ["config", "show"], ["lsp"]):
        outcome = hearth(*command, "--config", file)
        assert outcome.code == 2
        assert f"{file}:3: engine.failurs: unknown setting" in outcome.err
        assert "Did you mean `engine.failures`?" in outcome.err


def test_an_unforeseen_error_is_short_and_says_how_to_see_more(hearth: Hearth, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("server.cli.models.show", broken)
    outcome = hearth("models", "--json")
    assert outcome.code == 70
    assert "Traceback" not in outcome.err
    assert "HEARTH_DEBUG=1" in outcome.err
    assert outcome.json()["error"]["code"] == "unexpected"
    monkeypatch.setenv("HEARTH_DEBUG", "1")
    assert "Traceback" in hearth("models").err


def run(*arguments: str, stdout: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "server.cli", *arguments]
    return subprocess.Popen(command, text=True, stdout=stdout, stderr=subprocess.PIPE)


def test_a_reader_that_leaves_early_is_not_told_about_it() -> None:
    read, write = os.pipe()
    os.close(read)
    process = run("models", "--json", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_an_interrupt_ends_quietly_with_130(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    os.mkfifo(cases)
    process = run("complete", "--cases", str(cases), "--json", "--data", str(tmp_path), stdout=subprocess.PIPE)
    # Opened for both, so that this does not wait for a command that failed before it read. After its first answer the
    # command waits for the next case, in the middle of its work.
    with os.fdopen(os.open(cases, os.O_RDWR), "w") as feed:
        feed.write('{"id": 1, "path": "a.py", "prefix": "x = ", "suffix": ""}\n')
        feed.flush()
        assert process.stdout is not None
        assert '"id": 1' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")


def test_help_loads_none_of_the_heavy_parts() -> None:
    script = "import sys; from server.cli import app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"numpy", "faiss", "tantivy", "aiohttp", "pygls", "lsprotocol", "git", "tree_sitter", "cattrs", "attrs"}
    assert not heavy & set(done.stdout.split())


def test_the_language_server_takes_the_option_that_many_editors_add(hearth: Hearth) -> None:
    assert hearth("lsp", "--stdio", "--help").code == 0


def test_a_language_server_without_a_client_ends(data: Path) -> None:
    command = [sys.executable, "-m", "server.cli", "lsp", "--no-auto-index", "--data", str(data)]
    for stdout in (subprocess.PIPE, subprocess.DEVNULL):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stdout, timeout=60, check=False)
        assert done.returncode == 1


def test_a_search_of_nothing_says_what_to_do(hearth: Hearth, tmp_path: Path) -> None:
    outcome = hearth("search", "retry payments", "--data", tmp_path / "new")
    assert outcome.code == 0
    assert outcome.out == "Nothing was found.\n"
    assert "nothing is indexed yet; start with: hearth index REPO" in outcome.err
    assert hearth("search", "retry payments", "--data", tmp_path / "new", "--json").err == ""
