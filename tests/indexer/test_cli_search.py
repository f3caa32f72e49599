"""``hearth search``: for people, and for measuring."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from indexer import cli_search
from indexer.cli_options import IndexSettings
from indexer.cli_search import read_queries
from indexer.config import IndexConfig, RepositoriesConfig
from indexer.errors import IndexerError, InvalidQueryFile, UnknownRepository
from tests.conftest import Repository
from tests.indexer.conftest import IndexInto


@pytest.fixture
def run(data: Path, make_repository: Callable[..., Repository], index_into: IndexInto) -> Callable[..., list[str]]:
    """Return ``(*arguments, stdin="") -> lines of standard output``; errors of the indexer are raised."""
    files = {"src/app.py": "def start_server(port):\n    return port\n", "README.md": "# Shop\n\nStart the server.\n"}
    index_into(make_repository(files, name="shop").path)
    app = typer.Typer()
    cli_search.register(app)

    def invoke(*arguments: str, stdin: str = "") -> list[str]:
        settings = IndexSettings(data, IndexConfig(), RepositoriesConfig(), ())
        result = CliRunner().invoke(app, list(arguments), input=stdin, obj=lambda _data, _config: settings)
        if isinstance(result.exception, IndexerError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    return invoke


def test_people_see_places_and_text(run: Callable[..., list[str]]) -> None:
    lines = run("start_server")
    assert lines[0].startswith("shop:src/app.py:1-2  start_server")
    assert "    def start_server(port):" in lines
    assert run("zzz qqq", "--repo", "shop")[0]


def test_json_carries_everything_about_a_hit(run: Callable[..., list[str]]) -> None:
    (line,) = run("start_server", "--json", "-k", "1")
    answer = json.loads(line)
    assert answer["query"] == "start_server"
    (hit,) = answer["hits"]
    assert (hit["repo"], hit["path"], hit["start_line"], hit["end_line"]) == ("shop", "src/app.py", 1, 2)
    assert hit["symbol"] == "start_server"
    assert hit["text"].startswith("def start_server")


def test_a_file_of_queries_is_answered_line_by_line(run: Callable[..., list[str]], tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text(
        '\ufeff{"id": "a", "query": "start the server", "repo": "shop", "k": 1}\r\n\n'
        '{"id": 7, "query": "", "ref": "main"}\n{"id": "a", "query": "server", "repo": null, "k": null}'
    )
    answers = [json.loads(line) for line in run("--queries", str(queries), "--json")]
    assert [answer["id"] for answer in answers] == ["a", 7, "a"]
    assert [len(answer["hits"]) for answer in answers] == [1, 0, 2]
    assert set(answers[0]["hits"][0]) == {"repo", "path", "start_line", "end_line", "score"}


def test_queries_come_from_standard_input_too(run: Callable[..., list[str]]) -> None:
    (line,) = run("--queries", "-", "--json", stdin='{"id": 1, "query": "server"}')
    assert json.loads(line)["id"] == 1
    assert "start_server" in "".join(run("--queries", "-", stdin='{"id": 1, "query": "server"}'))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        ('{"id": 1}', '"query" is missing'),
        ('{"query": "x"}', '"id" is missing'),
        ('{"id": true, "query": "x"}', '"id" is neither'),
        ('{"id": 1, "query": 2}', '"query" is not a string'),
        ('{"id": 1, "query": "x", "repo": 3}', '"repo" is not a string'),
        ('{"id": 1, "query": "x", "k": 0}', '"k" is not a whole number'),
        ('{"id": 1, "query": "x", "k": "5"}', '"k" is not a whole number'),
        ('{"id": 1, "qurey": "x", "gold": 5}', '"query" is missing'),
        ('{"id": 1, "query": "x", "rep": "a"}', 'did you mean "repo"'),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"id": 0, "query": "fine", "gold": [1]}\n\n' + line + "\n")
    with pytest.raises(InvalidQueryFile) as caught:
        read_queries(path)
    assert f"{path}:3" in caught.value.message
    assert reason in caught.value.message
    assert caught.value.advice


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidQueryFile, match="cannot be read"):
        read_queries(tmp_path / "absent.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": 1, "query": "caf\xe9"}')
    with pytest.raises(InvalidQueryFile, match="not UTF-8"):
        read_queries(tmp_path / "latin.jsonl")


def test_an_unknown_repository_fails_before_the_first_answer(run: Callable[..., list[str]]) -> None:
    lines = '{"id": 1, "query": "x", "repo": "shop"}\n{"id": 2, "query": "x", "repo": "nope"}\n'
    with pytest.raises(UnknownRepository, match=":2: no repository 'nope'"):
        run("--queries", "-", "--json", stdin=lines)
    with pytest.raises(UnknownRepository):
        run("x", "--repo", "nope")


def test_a_ref_that_no_repository_has_is_an_error(run: Callable[..., list[str]]) -> None:
    with pytest.raises(UnknownRepository, match="'v9'"):
        run("server", "--ref", "v9")
    with pytest.raises(UnknownRepository, match=r"-:1: .*'v9'"):
        run("--queries", "-", stdin='{"id": 1, "query": "server", "ref": "v9"}')


def test_what_a_repository_holds_cannot_steer_the_terminal(
    run: Callable[..., list[str]], make_repository: Callable[..., Repository], index_into: IndexInto
) -> None:
    files = {"evil\x1b[31m.py": 'def evil():\n    return "\x1b]0;title\x07"\n'}
    index_into(make_repository(files, name="evil").path)
    output = run("evil")
    assert any("evil" in line for line in output)
    assert all(line.isprintable() for line in output)
