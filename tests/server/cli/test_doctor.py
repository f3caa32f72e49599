"""``hearth doctor`` and ``hearth config``."""

from __future__ import annotations

import asyncio
import datetime
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from indexer.cli_doctor import Level, examine
from server.accounts import Accounts
from tests.conftest import Repository
from tests.e2e.model_server import MODEL, ModelServer, running_model_server
from tests.server.cli.conftest import Hearth
from tests.server.gateway.team import issue

NOBODY = pwd.getpwnam("nobody").pw_uid
DAY = datetime.timedelta(days=1)


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
    assert outcome.out.rstrip().endswith("Everything works. 1 warning.")
    assert "hearth index" in outcome.out


def test_a_damaged_index_is_a_failure_with_advice(hearth: Hearth, tmp_path: Path) -> None:
    (tmp_path / "hearth.sqlite").write_bytes(b"this is no database" * 100)
    outcome = hearth("doctor", "--data", tmp_path, "--json")
    assert outcome.code == 1
    (failure,) = [check for check in outcome.json()["checks"] if check["level"] == "fail"]
    assert failure["name"] == "index"
    assert failure["advice"]


def test_traces_without_opentelemetry_are_a_failure_as_they_are_for_the_server(
    hearth: Hearth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text('[tracing]\nendpoint = "http://127.0.0.1:9/v1/traces"\n')
    outcome = hearth("doctor", "--config", file)
    assert outcome.code == 0, outcome.out
    assert "ok    traces: they go to http://127.0.0.1:9/v1/traces" in outcome.out
    monkeypatch.delitem(sys.modules, "server.tracing.otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    outcome = hearth("doctor", "--config", file)
    assert outcome.code == 1
    assert "FAIL  traces: [tracing] endpoint is set, and OpenTelemetry is not installed" in outcome.out
    assert "pip install opentelemetry-sdk" in outcome.out
    refused = hearth("serve", "--config", file, "--data", tmp_path / "data")
    assert refused.code == 2
    assert "OpenTelemetry is not installed" in refused.err


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


async def test_a_model_of_no_known_family_comes_with_how_to_add_it(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    server = ModelServer(adapters=("acme-7b",))
    await server.start()
    try:
        file.write_text(f'[engine.vllm]\nurl = "{server.url}"\nmodel = "acme-7b"\n')
        for command in (["doctor"], ["complete", "--engine", "vllm", "shop:shop/cart.py:9:28"]):
            outcome = await asyncio.to_thread(hearth, *command, "--config", file)
            said = outcome.out + outcome.err
            assert 'The prompt format of the model "acme-7b" is not known' in said
            assert "Name the format of its family as `format` in [engine.vllm] of hearth.toml" in said
            assert "docs/models.md shows how" in said
    finally:
        await server.stop()


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


@pytest.mark.parametrize("command", [["user", "add", "ana"], ["repo", "list"], ["index"]])
def test_a_data_directory_is_its_owners_alone_whichever_command_makes_it(
    hearth: Hearth, repository: Repository, tmp_path: Path, command: list[str]
) -> None:
    data = tmp_path / "data"
    old = os.umask(0)
    try:
        outcome = hearth(*command, *([repository.path] if command == ["index"] else []), "--data", data)
    finally:
        os.umask(old)
    assert outcome.code == 0, outcome.err
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert [path for path in data.rglob("*") if path.stat().st_mode & 0o077] == []


def test_files_that_cannot_be_made_again_are_looked_at(hearth: Hearth, tmp_path: Path) -> None:
    with Accounts(tmp_path) as accounts:
        accounts.add_user("ana")
    assert "ok    data files: accounts.sqlite" in hearth("doctor", "--data", tmp_path).out
    tmp_path.chmod(0o750)
    outcome = hearth("doctor", "--data", tmp_path)
    assert outcome.code == 0
    assert f"warn  data files: {tmp_path}, which holds the code" in outcome.out
    assert f"chmod 700 {tmp_path}" in outcome.out
    tmp_path.chmod(0o700)
    (tmp_path / "accounts.sqlite").chmod(0o644)
    assert "can be read by others" in hearth("doctor", "--data", tmp_path).out
    (tmp_path / "accounts.sqlite").write_bytes(b"this is no database" * 500)
    outcome = hearth("doctor", "--data", tmp_path)
    assert (outcome.code, "accounts.sqlite (users, groups and tokens) is damaged" in outcome.out) == (1, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_that_root_left_in_the_directory_of_the_service_are_named(hearth: Hearth, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Accounts(data) as accounts:
        accounts.add_user("ana")
    (data / "audit").mkdir()
    (data / "audit" / "audit.jsonl").touch()
    for path in (data, data / "audit"):
        os.chown(path, NOBODY, NOBODY)
    outcome = hearth("doctor", "--data", data)
    assert outcome.code == 1
    assert "belongs to nobody, but not all that is in it: accounts.sqlite, audit/audit.jsonl" in outcome.out
    assert f"chown -R nobody: {data}" in outcome.out
    assert "damaged" not in outcome.out
    for path in data.rglob("*"):
        os.chown(path, NOBODY, NOBODY)
    assert "ok    data files: accounts.sqlite, audit" in hearth("doctor", "--data", data).out


@pytest.fixture
def certified(hearth: Hearth, tmp_path: Path) -> Callable[..., dict[str, tuple[str, str]]]:
    """Return ``(settings="", **validity)``, which issues a certificate and returns what the doctor says of it."""
    certificate, key, file = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "hearth.toml"

    def look(settings: str = "", **validity: Any) -> dict[str, tuple[str, str]]:
        if validity or not certificate.exists():
            issue(trustme.CA(), certificate, key, **validity)
            key.chmod(0o600)
        file.write_text(f'[server]\n{settings}\n[server.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
        report = hearth("doctor", "--json", "--config", file).json()
        said = [check for check in report["checks"] if check["name"] == "certificate"]
        assert all(check["advice"] or check["level"] == "ok" for check in said)
        return {check["level"]: (check["message"], check["advice"]) for check in said}

    return look


def test_a_certificate_that_serves(certified: Callable[..., dict[str, tuple[str, str]]]) -> None:
    said = certified('public_url = "https://localhost:8642"', not_after=datetime.datetime.now(datetime.UTC) + 90 * DAY)
    [(message, _)] = said.values()
    assert said.keys() == {"ok"}
    assert "is for 127.0.0.1, localhost and expires in 90 days" in message


def test_what_is_wrong_with_a_certificate_is_said(
    certified: Callable[..., dict[str, tuple[str, str]]], tmp_path: Path
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    assert "expires in 9 days" in certified(not_after=now + 9.1 * DAY)["warn"][0]
    assert "certificate has expired" in certified(not_after=now - DAY)["fail"][0]
    assert "not yet valid" in certified(not_before=now + DAY, not_after=now + 9 * DAY)["fail"][0]
    said = certified('public_url = "https://hearth.example.com"', not_after=now + 90 * DAY)
    assert said.keys() == {"ok", "fail"}
    assert "not for hearth.example.com" in said["fail"][0]
    (tmp_path / "server.key").chmod(0o644)
    assert f"chmod o= {tmp_path / 'server.key'}" in certified()["warn"][1]
    (tmp_path / "server.key").write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    message, advice = certified()["fail"]
    assert ("cannot be used" in message, "belong together" in advice) == (True, True)
    (tmp_path / "server.key").unlink()
    assert "cannot be used: No such file" in certified()["fail"][0]


def test_a_server_with_users_is_asked_for_what_it_hands_out(hearth: Hearth, tmp_path: Path) -> None:
    assert "downloads" not in hearth("doctor").out
    with Accounts(tmp_path) as accounts:
        accounts.add_user("ana")
    outcome = hearth("doctor", "--data", tmp_path)
    assert f"warn  downloads: {tmp_path / 'downloads'} has no extension for VS Code" in outcome.out
    assert f"make downloads DATA={tmp_path}" in outcome.out
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "hearth.vsix").write_bytes(b"x" * 1_200_000)
    assert "ok    downloads: hearth.vsix (1.2 MB)" in hearth("doctor", "--data", tmp_path).out


class Disk(NamedTuple):
    """What ``shutil.disk_usage`` returns."""

    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("free", "level", "advice"),
    [
        (10_000_000, "fail", "nothing can be indexed"),
        (500_000_000, "warn", "before a large repository"),
        (2_000_000_000, "warn", "as much again"),
        (9_000_000_000, "ok", ""),
    ],
)
def test_the_space_that_is_left_is_compared_with_what_the_index_takes(
    hearth: Hearth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, free: int, level: str, advice: str
) -> None:
    (tmp_path / "corpora" / "1").mkdir(parents=True)
    if free > 1_000_000_000:
        with (tmp_path / "corpora" / "1" / "corpus").open("wb") as sparse:
            os.truncate(sparse.fileno(), 3_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Disk(10_000_000_000, 0, free))
    checks = hearth("doctor", "--data", tmp_path, "--json").json()["checks"]
    [said] = [check for check in checks if check["name"] == "data directory"]
    assert (said["level"], advice in said["advice"]) == (level, True)
