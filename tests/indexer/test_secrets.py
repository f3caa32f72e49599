"""Secrets are found, and nothing that is stored has one."""

from __future__ import annotations

import itertools
import json
import os
import re
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.secrets.planted import MAKERS, Planted, make_planted, plant
from indexer.api import Index
from indexer.config import AllowedSecrets, IndexConfig
from indexer.secrets import Finding, blank, find_secrets, rules
from indexer.types import Scope, SkipReason
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto

MakeRepository = Callable[..., Repository]
EVERYTHING = Scope()
HEARTH = Path(sys.executable).with_name("hearth")
SEED = int.from_bytes(os.urandom(4))
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "secrets.md"

PYTHON = '''"""Payments 🎉."""


def before(order):
    return order.total


{secrets}


def after_the_secrets(order):
    """Say so."""
    return order.total + 1
'''


def pieces(planted: Planted) -> list[str]:
    """What may be looked for of a secret: its lines, as they stand in bytes."""
    return [line for line in planted.secret.split("\n") if len(line) > 5]


def stored_texts(data: Path) -> Iterable[bytes]:
    """Everything below the data directory, as it is and as it is read."""
    for path in data.rglob("*"):
        if path.is_file():
            yield path.read_bytes()
    connection = sqlite3.connect(data / "hearth.sqlite")
    for (compressed,) in connection.execute("SELECT data FROM content"):
        yield zlib.decompress(compressed)
    connection.close()


def assert_stored_nowhere(data: Path, secrets: Iterable[Planted]) -> None:
    texts = list(stored_texts(data))
    lowered = [text.lower() for text in texts]
    for planted in secrets:
        for piece in pieces(planted):
            for encoding in ("utf-8", "utf-16-le"):
                assert not any(piece.encode(encoding) in text for text in texts), planted.rule
            assert not any(piece.lower().encode() in text for text in lowered), planted.rule


def test_every_rule_is_planted_and_documented() -> None:
    assert [rule.name for rule in rules()] == list(MAKERS)
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE))
    assert documented == {rule.name: rule.about for rule in rules()}


@pytest.mark.parametrize("rule", MAKERS)
def test_a_secret_is_found_where_it_stands(rule: str) -> None:
    for seed in range(20):
        planted = make_planted(rule, SEED + seed)
        text = f"# 🎉\r\n{planted.line}\r\nend\r\n"
        [finding] = find_secrets(text)
        assert finding.rule == rule
        start = text.index(planted.secret)
        assert finding.start <= start, planted.rule
        assert finding.end >= start + len(planted.secret)
        blanked = blank(text, [finding])
        assert all(piece not in blanked for piece in pieces(planted))
        assert find_secrets(blanked) == ()


@pytest.mark.parametrize(
    "line",
    [
        'password = "changeme"',
        'password = "correct-horse-battery-staple"',
        "password = getPassword(user1, request2)",
        'api_key: "${API_KEY_2024}"',
        'token = "<your-token-1234>"',
        'secret = os.environ["APP_SECRET_9"]',
        'aws = "AK' + 'IAIOSFODNN7EXAMPLE"',
        'password: "xxxxxxxxxxxxxxxx"',
        "url = postgres://user:password@localhost/db",
        "url = https://${USER}:${PASSWORD}@host/path",
        'gh_token = "ghp_' + "x" * 36 + '"',
        'tokens = "AccessTokenExpiredException"',
        "token_type=AuthorizationCodeGrant",
        "PASSWORD=%(db_password)s",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----",
    ],
)
def test_what_stands_for_a_secret_is_none(line: str) -> None:
    assert find_secrets(line) == ()


def test_a_line_or_the_one_above_allows_what_is_no_secret() -> None:
    planted = make_planted("assigned-secret", SEED)
    assert find_secrets(f"{planted.line}  # hearth:allow-secret\n") == ()
    assert find_secrets(f"# a fixture, hearth:allow-secret\n{planted.line}\n") == ()
    assert len(find_secrets(f"# hearth:allow-secret\n\n{planted.line}\n")) == 1
    assert len(find_secrets(f"{planted.line}\n# hearth:allow-secret\n")) == 1


@given(st.text(st.sampled_from("ab\"'\\ \t\r\n🎉é*=:")), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9))))
def test_blanking_keeps_lengths_lines_and_quotes(text: str, lengths: list[tuple[int, int]]) -> None:
    findings: list[Finding] = []
    position = 0
    for gap, size in lengths:
        start = position + gap
        if start + size > len(text):
            break
        findings.append(Finding("rule", start, start + size))
        position = start + size
    blanked = blank(text, findings)
    inside = {place for finding in findings for place in range(finding.start, finding.end)}
    assert len(blanked) == len(text)
    for place, (before, after) in enumerate(zip(text, blanked, strict=True)):
        if place not in inside or before.isspace() or before in "\"'`\\":
            assert after == before
        else:
            assert after == "*"


@given(st.text())
def test_findings_are_in_order_and_apart_in_any_text(text: str) -> None:
    secrets = "\n".join(planted.line for planted in plant(SEED % 5))
    whole = f"{text}\n{secrets}\nİ{text}"
    findings = find_secrets(whole)
    assert len(findings) >= len(MAKERS) - 1
    for earlier, later in itertools.pairwise(findings):
        assert earlier.start < earlier.end <= later.start


def test_no_secret_is_stored_in_any_form_and_the_rest_is_useful(make_repository: MakeRepository, data: Path) -> None:
    planted = plant(SEED)
    lines = "\n".join(one.line for one in planted)
    python = PYTHON.format(secrets="\n".join(f'_ = """\n{one.line}\n"""' for one in planted))
    repository = make_repository(
        {
            "shop/pay.py": python,
            "shop/windows.py": python.replace("\n", "\r\n"),
            "wide.py": b"\xff\xfe" + python.encode("utf-16-le"),
            "settings.yaml": "\n".join(
                f"key{n}: |\n  " + one.line.replace("\n", "\n  ") for n, one in enumerate(planted)
            ),
            "data.json": json.dumps({f"key{n}": one.line for n, one in enumerate(planted)}, indent=1) + "\n",
            "web.ini": f"[web]\nport = 80\n{lines}\n",
            ".env": lines,
            ".env.example": "PORT=80\nDB_PASSWORD=changeme\n",
            "id_ed25519": lines,
            "server.key": planted[0].line,
        }
    )
    done = subprocess.run(
        [HEARTH, "index", str(repository.path), "--data", str(data)],
        env={**os.environ, "HEARTH_CONFIG": ""},
        capture_output=True,
        check=True,
    )
    assert_stored_nowhere(data, planted)
    for output in (done.stdout, done.stderr):
        assert all(piece.encode() not in output for one in planted for piece in pieces(one))
    with Index.open(data) as index:
        for path in ("shop/pay.py", "shop/windows.py", "wide.py"):
            text = index.file_text("demo", "", path) or ""
            written = python.replace("\n", "\r\n") if "windows" in path else python
            assert [len(line) for line in text.split("\n")] == [len(line) for line in written.split("\n")]
            symbols = {symbol.name: symbol for symbol in index.symbols_of("demo", "", path)}
            line = python.split("\n").index("def after_the_secrets(order):") + 1
            assert (symbols["after_the_secrets"].start_line, symbols["after_the_secrets"].end_line) == (line, line + 2)
            found = {(secret.rule, secret.line) for secret in index.secrets("demo") if secret.path == path}
            assert {rule for rule, _ in found} == set(MAKERS)
            for one in planted:
                assert any(one.rule == rule and _has(python, line, one) for rule, line in found), one.rule
        # Files of one text are one hit.
        assert {"shop/pay.py", "wide.py"} & {hit.path for hit in index.search("after the secrets", EVERYTHING)}
        skips = {skip.path: skip for skip in index.skips("demo")}
        assert {path for path, skip in skips.items() if skip.reason is SkipReason.SECRET} == {
            ".env",
            "id_ed25519",
            "server.key",
        }
        assert index.file_text("demo", "", ".env.example") is not None
        assert [secret.rule for secret in index.secrets("demo") if secret.path == "server.key"] == ["private-key"]
        [status] = index.repositories()
        assert status.refs[0].secrets == len(index.secrets("demo"))
        corpus = index.corpus("demo")
        assert corpus is not None
        assert any(b"after_the_secrets" in corpus.file_parts(number)[2] for number in range(len(corpus.files)))


def _has(text: str, line: int, planted: Planted) -> bool:
    return (
        text.split("\n")[line - 1] in f'{planted.line}\n"""' or planted.secret.split("\n")[0] in text.split("\n")[line]
    )


def test_a_file_with_anything_beside_its_secrets_stays(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    key, token = make_planted("private-key", SEED), make_planted("configured-secret", SEED)
    repository = make_repository(
        {
            "cert.pem": f"-----BEGIN CERTIFICATE-----\n{'MIIC' * 200}\n-----END CERTIFICATE-----\n",
            "both.pem": f"-----BEGIN CERTIFICATE-----\n{'MIIC' * 200}\n-----END CERTIFICATE-----\n{key.line}\n",
            "key.txt": f"\n{key.line}\n",
            "web.cfg": f"PORT=80\n{token.line}\n",
        }
    )
    index_into(repository.path)
    opened.refresh()
    assert opened.paths("demo") == ["both.pem", "cert.pem", "web.cfg"]
    [skip] = opened.skips("demo")
    assert (skip.path, skip.reason) == ("key.txt", SkipReason.SECRET)
    assert opened.file_text("demo", "", "web.cfg") == f"PORT=80\nDB_PASSWORD={'*' * len(token.secret)}\n"


def test_the_command_lists_places_and_never_the_secret(make_repository: MakeRepository, data: Path) -> None:
    planted = make_planted("github-token", SEED)
    repository = make_repository({"a.py": f"x = 1\n{planted.line}\n"})

    def hearth(*arguments: str) -> str:
        return subprocess.run(
            [HEARTH, *arguments, "--data", str(data)],
            env={**os.environ, "HEARTH_CONFIG": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    hearth("index", str(repository.path))
    [secret] = json.loads(hearth("secrets", "demo", "--json"))
    place = {"repository": "demo", "ref": "main", "path": "a.py", "line": 2}
    assert secret == {**place, "rule": "github-token", "allowed": False}
    text = hearth("secrets")
    assert "a.py:2" in text
    assert "1 secrets found in 1 files" in text
    assert planted.secret not in text
    assert json.loads(hearth("status", "--json"))[0]["refs"][0]["secrets"] == 1


def test_what_was_stored_while_it_was_off_is_gone_when_it_is_on(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    planted = [make_planted("assigned-secret", SEED), make_planted("github-token", SEED)]
    lines = "\n".join(one.line for one in planted)
    repository = make_repository({"a.py": PYTHON.format(secrets=lines), "b.py": "y = 2\n"})
    index_into(repository.path, config=IndexConfig(secrets=False))
    with pytest.raises(AssertionError):
        assert_stored_nowhere(data, planted)
    [report] = index_into(repository.path)
    assert report.blobs_processed == 2
    connection = sqlite3.connect(data / "hearth.sqlite")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert_stored_nowhere(data, planted)


def test_a_secret_goes_and_comes_with_the_commits_that_have_it(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    planted = make_planted("stripe-key", SEED)
    repository = make_repository({"a.py": f"{planted.line}\n", "copy.py": f"{planted.line}\n"})
    index_into(repository.path)
    opened.refresh()
    assert [secret.path for secret in opened.secrets("demo")] == ["a.py", "copy.py"]
    repository.commit({"a.py": "x = 1\n"})
    index_into(repository.path)
    opened.refresh()
    assert [secret.path for secret in opened.secrets("demo")] == ["copy.py"]


FIXTURES = (AllowedSecrets(paths=("tests/fixtures/",)),)


def allowing(*allowed: AllowedSecrets) -> IndexConfig:
    return IndexConfig(allowed_secrets=allowed)


def test_what_the_settings_allow_is_kept_and_listed_as_such(
    make_repository: MakeRepository, index_into: IndexInto, opened: Index
) -> None:
    key, token = make_planted("private-key", SEED), make_planted("github-token", SEED)
    repository = make_repository(
        {
            "tests/fixtures/server.key": f"{key.line}\n",
            "tests/fixtures/.env": f"PORT=80\n{token.line}\n",
            "tests/fixtures/client.py": f"x = 1\n{token.line}\n",
            "client.py": f"x = 1\n{token.line}\n",
            "server.key": f"{key.line}\n",
        }
    )
    index_into(repository.path, config=allowing(*FIXTURES))
    opened.refresh()
    assert opened.file_text("demo", "", "tests/fixtures/server.key") == f"{key.line}\n"
    assert opened.file_text("demo", "", "tests/fixtures/.env") == f"PORT=80\n{token.line}\n"
    # The same content where nothing is allowed is another blob.
    assert opened.file_text("demo", "", "tests/fixtures/client.py") == f"x = 1\n{token.line}\n"
    assert token.secret not in (opened.file_text("demo", "", "client.py") or "")
    assert [skip.path for skip in opened.skips("demo")] == ["server.key"]
    assert [(secret.path, secret.rule, secret.allowed) for secret in opened.secrets("demo")] == [
        ("client.py", "github-token", False),
        ("server.key", "private-key", False),
        ("tests/fixtures/.env", "github-token", True),
        ("tests/fixtures/client.py", "github-token", True),
        ("tests/fixtures/server.key", "private-key", True),
    ]
    [status] = opened.repositories()
    assert (status.refs[0].secrets, status.refs[0].allowed_secrets) == (2, 3)
    corpus = opened.corpus("demo")
    assert corpus is not None
    texts = {file.path: corpus.file_parts(number)[2] for number, file in enumerate(corpus.files)}
    assert token.secret.encode() in texts["tests/fixtures/client.py"]
    assert token.secret.encode() not in texts["client.py"]


def test_a_change_of_what_is_allowed_processes_the_files_that_it_is_about(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    planted = make_planted("stripe-key", SEED)
    repository = make_repository(
        {"tests/fixtures/pay.py": f"{planted.line}\n", "pay.py": "x = 1\n", "other/pay.py": f"{planted.line}\n"}
    )
    index_into(repository.path)
    [report] = index_into(repository.path, config=allowing(*FIXTURES))
    assert report.blobs_processed == 1
    [report] = index_into(repository.path, config=allowing(*FIXTURES))
    assert report.blobs_processed == 0
    # The name of another rule, and of another repository, are about no file here.
    elsewhere = AllowedSecrets(paths=("*",), repositories=("shop",))
    index_into(repository.path, config=allowing(*FIXTURES, elsewhere))
    with Index.open(data) as index:
        assert [secret.path for secret in index.secrets("demo") if secret.allowed] == ["tests/fixtures/pay.py"]
    # A file that goes where nothing is allowed leaves what it had behind, also for the embedded engine.
    repository.git("rm", "--quiet", "tests/fixtures/pay.py", "other/pay.py")
    repository.commit({"moved.py": f"{planted.line}\n"})
    index_into(repository.path, config=allowing(*FIXTURES, elsewhere))
    with Index.open(data) as index:
        corpus = index.corpus("demo")
        assert corpus is not None
        assert all(planted.secret.encode() not in corpus.file_parts(number)[2] for number in range(len(corpus.files)))
        assert not any(secret.allowed for secret in index.secrets("demo"))


def test_what_is_allowed_no_longer_is_stored_no_longer(
    make_repository: MakeRepository, index_into: IndexInto, data: Path
) -> None:
    planted = make_planted("assigned-secret", SEED)
    repository = make_repository({"tests/fixtures/a.py": PYTHON.format(secrets=planted.line), "b.py": "y = 2\n"})
    index_into(repository.path, config=allowing(*FIXTURES))
    with pytest.raises(AssertionError):
        assert_stored_nowhere(data, [planted])
    [report] = index_into(repository.path)
    assert report.blobs_processed == 1
    with closing(sqlite3.connect(data / "hearth.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert_stored_nowhere(data, [planted])


@pytest.mark.parametrize("rule", [rule.name for rule in rules()])
def test_a_rule_is_allowed_by_its_name_and_a_vendors_token_by_no_other(rule: str) -> None:
    planted = make_planted(rule, SEED)
    [finding] = find_secrets(planted.line, frozenset({rule}))
    assert finding.allowed
    assert blank(planted.line, [finding]) == planted.line
    [finding] = find_secrets(planted.line, frozenset(MAKERS) - {rule})
    assert not finding.allowed


def test_a_token_is_not_allowed_by_the_name_that_it_is_assigned_to() -> None:
    token = make_planted("github-token", SEED)
    line = f'password = "{token.secret}"'
    [finding] = find_secrets(line, frozenset({"assigned-secret", "configured-secret"}))
    assert (finding.rule, finding.allowed) == ("github-token", False)
    [finding] = find_secrets(line, frozenset({"github-token"}))
    assert finding.allowed


def test_the_command_says_what_is_allowed(make_repository: MakeRepository, data: Path, tmp_path: Path) -> None:
    planted = make_planted("github-token", SEED)
    repository = make_repository({"a.py": f"{planted.line}\n", "b.py": f"{planted.line}\n"})
    config = tmp_path / "hearth.toml"
    config.write_text(
        '[[index.allowed_secrets]]\npaths = ["/a.py"]\nrules = ["github-token"]\nrepositories = ["demo"]\n'
    )

    def hearth(*arguments: str) -> str:
        return subprocess.run(
            [HEARTH, *arguments, "--data", str(data)],
            env={**os.environ, "HEARTH_CONFIG": str(config)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    hearth("index", str(repository.path))
    assert {secret["path"]: secret["allowed"] for secret in json.loads(hearth("secrets", "--json"))} == {
        "a.py": True,
        "b.py": False,
    }
    text = hearth("secrets")
    assert "1 secrets found in 1 files, and 1 that the settings allow" in text
    assert re.search(r"a\.py:1 +allowed", text)
    assert re.search(r"1 \+ 1 allowed", hearth("status"))
