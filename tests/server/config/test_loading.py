"""hearth.toml: found, read, and every mistake named with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.config import HearthConfig, check, find, load
from server.errors import ConfigError
from server.types import Rung

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        file = tmp_path / "hearth.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return to_file


@pytest.fixture(autouse=True)
def _no_config_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HEARTH_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "machine"))


def test_without_a_file_defaults_hold() -> None:
    assert load().config == HearthConfig()
    assert load().file is None


def test_a_file_sets_what_it_says_and_nothing_else(write: Write, tmp_path: Path) -> None:
    file = write(
        '[data]\ndirectory = "here"\n[engine]\norder = ["embedded"]\nretry_seconds = 7\n'
        '[engine.vllm]\nurl = "https://models.internal/code"\n[completion]\nmultiline = false\n'
    )
    config = load(file).config
    assert config.data.directory == tmp_path / "here"
    assert config.engine.order == (Rung.EMBEDDED,)
    assert config.engine.retry_seconds == 7.0
    assert config.engine.vllm.url == "https://models.internal/code"
    assert config.completion.multiline is False
    assert config.completion.max_tokens == HearthConfig().completion.max_tokens


def test_the_command_line_wins_over_the_file(write: Write, tmp_path: Path) -> None:
    file = write('[data]\ndirectory = "/elsewhere"\n')
    assert load(file, data=tmp_path / "mine").config.data.directory == tmp_path / "mine"


def test_the_order_in_which_files_are_looked_for(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*parts: str) -> Path:
        file = tmp_path.joinpath(*parts, "hearth.toml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        return file

    assert find() is None
    machine = make("machine", "hearth")
    assert find() == machine
    user = make("user", "hearth")
    assert find() == user
    named = make("named")
    monkeypatch.setenv("HEARTH_CONFIG", str(named))
    assert find(environment={"HEARTH_CONFIG": str(named)}) == named
    explicit = write("")
    assert find(explicit, environment={"HEARTH_CONFIG": str(named)}) == explicit


def test_a_file_in_the_work_tree_is_never_picked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hearth.toml").write_text('[engine.vllm]\nurl = "http://evil.example"\n')
    monkeypatch.chdir(tmp_path)
    assert find(environment={}) is None


@pytest.mark.parametrize("origin", ["--config", "$HEARTH_CONFIG"])
def test_a_named_file_must_exist(tmp_path: Path, origin: str) -> None:
    absent = tmp_path / "absent.toml"
    explicit = absent if origin == "--config" else None
    environment = {"HEARTH_CONFIG": str(absent)} if origin == "$HEARTH_CONFIG" else {}
    with pytest.raises(ConfigError, match="does not exist") as caught:
        find(explicit, environment)
    assert origin in caught.value.message


@pytest.mark.parametrize(
    ("text", "line", "key", "message", "advice"),
    [
        ("[engine]\nfailurs = 2\n", 2, "engine.failurs", "unknown setting", "Did you mean `engine.failures`?"),
        ("[engin]\n", 1, "engin", "unknown table or setting", "Did you mean `engine`?"),
        ("\n[vllm]\nurl = 'x'\n", 2, "vllm", "unknown table or setting", "The top level has data,"),
        ("threshold = 0.5\n", 1, "threshold", "unknown", "Did you mean `engine.embedded.threshold`?"),
        ("[engine]\nvllm.modle = 'x'\n", 2, "engine.vllm.modle", "unknown", "Did you mean `engine.vllm.model`?"),
        ("[engine]\nembedded = {bogus = 1}\n", 2, "engine.embedded.bogus", "unknown setting", "threshold"),
        (
            "[completion]\nmax_tokens = '5'\n",
            2,
            "completion.max_tokens",
            'must be a whole number, not "5"',
            "It means:",
        ),
        ("[completion]\nmax_tokens = 5.0\n", 2, "completion.max_tokens", "must be a whole number, not 5.0", ""),
        ("[completion]\nmax_tokens = true\n", 2, "completion.max_tokens", "must be a whole number, not true", ""),
        ("[completion]\nmax_tokens = 0\n", 2, "completion.max_tokens", "must be >= 1, not 0", ""),
        ("[completion]\nenabled = 1\n", 2, "completion.enabled", "must be true or false, not 1", ""),
        ("[engine]\nretry_seconds = nan\n", 2, "engine.retry_seconds", "must be", ""),
        ("[engine]\nretry_seconds = [1]\n", 2, "engine.retry_seconds", "must be a number, not a list", ""),
        ("engine = 5\n", 1, "engine", "must be a table, not 5", ""),
        ("[[engine]]\n", 1, "engine", "must be a table, not a list", ""),
        ("[log]\nlevel = 'loud'\n", 2, "log.level", 'must be one of "debug", "info"', ""),
        ("[engine]\norder = [\n 'vllm',\n 'gpt'\n]\n", 4, "engine.order.1", 'must be one of "vllm"', ""),
        ("[engine]\norder = 'vllm'\n", 2, "engine.order", "must be a list", ""),
        ("[engine]\norder = ['quiet']\n", 2, "engine.order", 'must not name "quiet"', ""),
        ("[engine]\norder = ['vllm', 'vllm']\n", 2, "engine.order", "must not name an engine twice", ""),
        ("[engine.vllm]\nurl = 'localhost:8000'\n", 2, "engine.vllm.url", "must be an address such as", ""),
        ("[data]\ndirectory = ''\n", 2, "data.directory", "must be a path in quotes", ""),
        ("[index]\nbatch_files = 0\n", 2, "index.batch_files", "must be >= 1, not 0", ""),
    ],
)
def test_mistakes_are_named_with_their_line(
    *, write: Write, text: str, line: int, key: str, message: str, advice: str
) -> None:
    config, problems = check(write(text))
    assert config is None
    (problem,) = problems
    assert (problem.line, problem.key) == (line, key)
    assert message in problem.message
    assert advice in problem.advice


@pytest.mark.parametrize(
    ("text", "line"), [("[engine]\norder = [1,\n", 3), ("a = 1\na = 2\n", 2), ("\n\nx = \n", 3), ("[a\n", 1)]
)
def test_syntax_errors_name_line_and_column(write: Write, text: str, line: int) -> None:
    _, (problem,) = check(write(text))
    assert problem.line == line
    assert "not valid TOML" in problem.message
    assert "column" in problem.message or "end of file" in problem.message


def test_a_secret_written_where_its_name_belongs_is_not_repeated(write: Write) -> None:
    _, (problem,) = check(write("[engine.vllm]\napi_key_env = 'sk-very-secret'\n"))
    assert "environment variable" in problem.message
    assert "sk-very-secret" not in f"{problem} {problem.advice}"


def test_what_is_allowed_of_secrets_says_where_or_of_which_kind(write: Write) -> None:
    file = write('[[index.allowed_secrets]]\npaths = ["tests/", "!tests/real/"]\nrules = ["jwt"]\n')
    [allowed] = load(file).config.index.allowed_secrets
    assert (allowed.paths, allowed.rules, allowed.repositories) == (("tests/", "!tests/real/"), ("jwt",), ())
    _, problems = check(
        write(
            '[[index.allowed_secrets]]\nrepositories = ["shop"]\n'
            '[[index.allowed_secrets]]\nrules = ["jwt", "jwtt"]\n'
            '[[index.allowed_secrets]]\npaths = ["!"]\n'
        )
    )
    said = [(problem.line, problem.message) for problem in problems]
    assert [line for line, _ in said] == [1, 4, 6]
    assert "must say paths, rules or both" in said[0][1]
    assert '"jwtt"' in said[1][1]
    assert '"!" is none' in said[2][1]


def test_all_mistakes_are_reported_in_the_order_of_their_lines(write: Write) -> None:
    _, problems = check(write("[engine]\nfailurs = 1\nfailures = 0\n[completion]\nenabled = 3\n[nonsense]\n"))
    assert [problem.line for problem in problems] == [2, 3, 5, 6]


def test_loading_names_the_first_mistake_and_counts_the_others(write: Write) -> None:
    file = write("[engine]\nfailurs = 1\nfailures = 0\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.message == f"{file}:2: engine.failurs: unknown setting"
    assert "all 2 problems" in caught.value.advice


def test_files_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_bytes(b"[log]\nlevel = '\xff'\n")
    _, (problem,) = check(file)
    assert (problem.line, problem.message) == (2, "is not UTF-8")
    file.write_bytes(b"#" * 2_000_000)
    _, (problem,) = check(file)
    assert "larger" in problem.message
    file.write_text("x = " + "[" * 5000 + "]" * 5000)
    _, problems = check(file)
    assert problems
    _, (problem,) = check(tmp_path)
    assert "cannot be read" in problem.message


def test_a_directory_of_another_user_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `sudo -u` leaves it, which keeps HOME. Permissions do not bind root, so the refusal is played."""

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert find() is None
