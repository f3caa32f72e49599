"""``hearth doctor`` and ``hearth config``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from indexer.cli_doctor import Level, examine
from server.accounts import Accounts
from tests.conftest import Repository
from tests.e2e.model_server import MODEL, running_model_server
from tests.server.cli.conftest import Hearth


def test_a_sound_installation(hearth: Hearth, repository: Repository) -> None:
    outcome = hearth("doctor")
    assert outcome.code == 0, outcome.out
    for word in ("faiss", "tantivy", "grammars", "git version", "1 repositories", "Everything works"):
        assert word in outcome.out


def test_as_json(hearth: Hearth) -> None:
    report = hearth("doctor", "--json").json()
    assert report["ok"] is True
    by_name = {check["name"]: check for check in report["checks"]}
    assert by_name["index"]["level"] == "ok"
    assert by_name["model server"]["message"].startswith("none configured")


def test_an_empty_index_is_a_warning(hearth: Hearth, tmp_path: Path) -> None:
    outcome = hearth("doctor", "--data", tmp_path / "new")
    assert outcome.code == 0
    assert "warn  index: nothing is indexed yet" in outcome.out
    assert "hearth index" in outcome.out


def test_a_damaged_index_is_a_failure_with_advice(hearth: Hearth, tmp_path: Path) -> None:
    (tmp_path / "hearth.sqlite").write_bytes(b"this is no database" * 100)
    outcome = hearth("doctor", "--data", tmp_path, "--json")
    assert outcome.code == 1
    (failure,) = [check for check in outcome.json()["checks"] if check["level"] == "fail"]
    assert failure["name"] == "index"
    assert failure["advice"]


def test_a_model_server_that_is_down_is_a_failure(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text('[engine.vllm]\nurl = "http://127.0.0.1:9"\n')
    outcome = hearth("doctor", "--config", file)
    assert outcome.code == 1
    assert "FAIL  model server: The model server at http://127.0.0.1:9 cannot be reached" in outcome.out


async def test_the_chat_model_is_looked_at_as_well(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    async with running_model_server() as model:
        settings = f'[engine.vllm]\nurl = "{model.url}"\n'
        for more, said in (
            ('chat_url = "http://127.0.0.1:9"\n', "FAIL  chat model: The model server at http://127.0.0.1:9 cannot be"),
            (
                'chat_model = "other"\n',
                f"FAIL  chat model: The model server at {model.url} has no model other; it",
            ),
            (f'chat_model = "{MODEL}"\n', f"ok    chat model: The model server at {model.url} is up with {MODEL}"),
            ('[engine.vllm.chat_teams]\na = "b"\n', "warn  team models: the model server does not list b"),
            ("", ""),
        ):
            file.write_text(settings + more)
            outcome = await asyncio.to_thread(hearth, "doctor", "--config", file)
            assert said in outcome.out
            assert ("chat model" in outcome.out) == bool(said)


def test_a_wrong_configuration_is_a_failure_and_the_rest_is_still_examined(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text("nonsense = 1\n")
    outcome = hearth("doctor", "--config", file)
    assert outcome.code == 1
    assert f"FAIL  configuration: {file}:1: nonsense" in outcome.out
    assert "ok    git" in outcome.out


def test_a_check_that_breaks_hides_no_other() -> None:
    def broken() -> None:
        raise OSError("libcudart.so is missing")

    (finding,) = examine("faiss", broken)  # type: ignore[arg-type]  # it raises before it could yield
    assert finding.level is Level.FAIL
    assert "libcudart" in finding.message


def test_config_check_lists_everything(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text("[log]\nlevel = 'loud'\ncolour = 1\n")
    outcome = hearth("config", "check", "--config", file)
    assert outcome.code == 2
    assert [line for line in outcome.out.splitlines() if line.startswith(str(file))] == [
        f'{file}:2: log.level: must be one of "debug", "info", "warning", "error", not "loud"',
        f"{file}:3: log.colour: unknown setting",
    ]
    problems = hearth("config", "check", "--config", file, "--json").json()["problems"]
    assert [problem["line"] for problem in problems] == [2, 3]


def test_config_check_of_a_right_file_and_of_none(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text("[log]\nlevel = 'debug'\n")
    assert hearth("config", "check", "--config", file).out == f"{file}: no problems\n"
    assert hearth("config", "check").out.startswith("There is no hearth.toml")


def test_config_show_is_a_file_that_can_be_used(hearth: Hearth, tmp_path: Path) -> None:
    shown = tmp_path / "shown.toml"
    shown.write_text(hearth("config", "show").out)
    assert hearth("config", "check", "--config", shown).code == 0
    assert hearth("config", "show", "--json").json()["settings"]["engine"]["order"] == ["vllm", "embedded"]


RESTRICTED = """
[engine.vllm]
url = "http://127.0.0.1:9"
model = "codestral-22b"
[models]
allowed_licences = ["Apache-2.0"]
"""


def test_models_are_listed_with_what_is_allowed(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text(RESTRICTED)
    models = {model["format"]: model for model in hearth("models", "--json", "--config", file).json()["models"]}
    qwen = models["qwen2.5-coder"]
    assert (qwen["licence"], qwen["commercial"], qwen["allowed"]) == ("Apache-2.0", "yes", True)
    (small,) = qwen["exceptions"]
    assert (small["licence"], small["commercial"], small["allowed"]) == ("Qwen-Research", "no", False)
    table = hearth("models").out
    assert "qwen2.5-coder" in table
    assert "qwen2.5-coder-3b*" in table


def test_a_licence_that_is_not_allowed_is_refused_everywhere(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text(RESTRICTED)
    said = 'The model "codestral-22b" has the licence MNPL-0.1, which [models] allowed_licences'
    outcome = hearth("config", "check", "--config", file)
    assert (outcome.code, outcome.out.splitlines()[0][: len(f"{file}:6: ")]) == (2, f"{file}:6: ")
    assert said in outcome.out
    outcome = hearth("doctor", "--config", file)
    assert outcome.code == 1
    assert said in outcome.out
    for command in (["complete", "shop:shop/cart.py:9:28"], ["serve"]):
        outcome = hearth(*command, "--config", file)
        assert outcome.code == 10
        assert said in outcome.err


def test_a_file_of_models_with_a_mistake_is_named(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text('[models]\nfiles = ["own.toml"]\n')
    (tmp_path / "own.toml").write_text('[[format]]\nnam = "x"\n')
    for command in (["config", "check"], ["doctor"]):
        outcome = hearth(*command, "--config", file)
        assert outcome.code != 0
        assert f"{tmp_path / 'own.toml'}:2: format.0.nam: unknown setting" in outcome.out
    assert hearth("models", "--config", file).code == 2


def test_files_that_cannot_be_made_again_are_looked_at(hearth: Hearth, tmp_path: Path) -> None:
    with Accounts(tmp_path) as accounts:
        accounts.add_user("ana")
    assert "ok    data files: accounts.sqlite" in hearth("doctor", "--data", tmp_path).out
    (tmp_path / "accounts.sqlite").chmod(0o644)
    assert "can be read by others" in hearth("doctor", "--data", tmp_path).out
    (tmp_path / "accounts.sqlite").write_bytes(b"this is no database" * 500)
    outcome = hearth("doctor", "--data", tmp_path)
    assert (outcome.code, "accounts.sqlite (users, groups and tokens) is damaged" in outcome.out) == (1, True)
