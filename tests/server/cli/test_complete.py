"""``hearth complete``: one cursor, and many cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository
from tests.server.cli.conftest import CART, Hearth


def write_cases(directory: Path, *cases: dict[str, Any] | str) -> Path:
    file = directory / "cases.jsonl"
    file.write_text("".join(case if isinstance(case, str) else json.dumps(case) + "\n" for case in cases))
    return file


def test_one_cursor_as_json(hearth: Hearth, repository: Repository) -> None:
    outcome = hearth("complete", f"{repository.path}/shop/cart.py:9:12", "--json")
    assert outcome.code == 0, outcome.err
    answer = outcome.json()
    assert set(answer) == {"completions", "engine", "ms"}
    assert answer["engine"] == "embedded"


def test_an_indexed_file_is_named_by_its_repository(hearth: Hearth) -> None:
    assert hearth("complete", "shop:shop/cart.py:9:12", "--json").code == 0
    outcome = hearth("complete", "shop:absent.py:9:12")
    assert outcome.code == 11
    assert "REPO:PATH" in outcome.err


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("shop/cart.py", "is not a place in a file"),
        ("shop/cart.py:1", "is not a place in a file"),
        ("shop/cart.py:0:1", "has no line 0"),
        ("shop/cart.py:99:1", "Its lines are 1 to 10"),
        ("shop/cart.py:2:0", "has no column 0"),
        ("shop/cart.py:2:99", "Its columns are 1 to 15"),
        ("shop/windows.py:1:7", "Its columns are 1 to 6"),
        ("absent.py:1:1", "there is no such file"),
        (".:1:1", "there is no such file"),
    ],
)
def test_places_that_do_not_exist(
    hearth: Hearth, repository: Repository, monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    monkeypatch.chdir(repository.path)
    outcome = hearth("complete", place)
    assert outcome.code == 11
    assert said in outcome.err
    assert outcome.out == ""


def test_asking_for_a_model_server_that_is_not_configured(hearth: Hearth) -> None:
    outcome = hearth("complete", "shop:shop/cart.py:9:12", "--engine", "vllm")
    assert outcome.code == 10
    assert "[engine.vllm]" in outcome.err


def test_a_model_server_that_is_down_leaves_the_embedded_engine(hearth: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text('[engine.vllm]\nurl = "http://127.0.0.1:9"\nmodel = "qwen2.5-coder-7b"\n')
    outcome = hearth("complete", "shop:shop/cart.py:9:12", "--config", file, "--json")
    assert outcome.code == 0
    assert outcome.json()["engine"] == "embedded"
    assert "cannot be reached" in outcome.err


def test_cases_answer_in_order_one_line_each(hearth: Hearth, tmp_path: Path) -> None:
    cases = write_cases(
        tmp_path,
        {"id": "by offset", "repo": "shop", "path": "shop/cart.py", "offset": CART.index("return total") + 7},
        {"id": 2, "repo": "shop", "ref": "main", "path": "new.py", "prefix": "from shop.cart import ", "suffix": "\n"},
        "\n",
        {"id": "no repository", "path": "a.py", "prefix": CART + "\n\ndef total(pri"},
        {"id": "only after", "path": "a.py", "suffix": "x\n"},
    )
    outcome = hearth("complete", "--cases", cases, "--json")
    assert outcome.code == 0, outcome.err
    answers = outcome.lines()
    assert [answer["id"] for answer in answers] == ["by offset", 2, "no repository", "only after"]
    for answer in answers:
        assert set(answer) == {"id", "completions", "ms"}
        assert answer["ms"] >= 0
        confidences = [completion["confidence"] for completion in answer["completions"]]
        assert confidences == sorted(confidences, reverse=True)
        for completion in answer["completions"]:
            assert set(completion) == {"text", "confidence", "source"}
            assert completion["text"]
            assert 0 <= completion["confidence"] <= 1


def test_the_open_file_completes_what_it_repeats(hearth: Hearth, tmp_path: Path) -> None:
    text = "".join(f"configure_logging(level_{number})\n" for number in range(3)) * 3
    cases = write_cases(tmp_path, {"id": 1, "path": "a.py", "prefix": f"{text}configure_log", "suffix": "\n"})
    (answer,) = hearth("complete", "--cases", cases, "--json").lines()
    assert answer["completions"][0]["text"].startswith("ging(level_")


def test_a_byte_order_mark_is_no_part_of_a_text(hearth: Hearth, tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"id": 1, "path": "x.py", "prefix": "a"}', encoding="utf-8-sig")
    assert hearth("complete", "--cases", cases, "--json").json()["id"] == 1
    source = tmp_path / "marked.py"
    source.write_text("ab", encoding="utf-8-sig")
    outcome = hearth("complete", f"{source}:1:4")
    assert "Its columns are 1 to 3." in outcome.err


def test_another_spelling_of_the_path_does_not_leak_either(hearth: Hearth, tmp_path: Path) -> None:
    offset = CART.index("    return total(prices) / len(prices)") + len("    return tot")
    case = {"id": 1, "repo": "shop", "prefix": CART[:offset], "suffix": "\n"}
    paths = ("./shop/cart.py", "shop//cart.py", "shop/../shop/cart.py")
    cases = write_cases(tmp_path, *({**case, "path": path} for path in paths))
    for answer in hearth("complete", "--cases", cases, "--json").lines():
        assert "al(prices) / len(prices)" not in {completion["text"] for completion in answer["completions"]}


def test_the_indexed_version_of_the_file_does_not_leak(hearth: Hearth, tmp_path: Path) -> None:
    """What stands after the cursor is in the index, and only there."""
    offset = CART.index("    return total(prices) / len(prices)") + len("    return tot")
    cases = write_cases(
        tmp_path,
        {"id": "leak?", "repo": "shop", "path": "shop/cart.py", "prefix": CART[:offset], "suffix": "\n"},
        {"id": "elsewhere", "repo": "shop", "path": "shop/other.py", "prefix": CART[:offset], "suffix": "\n"},
    )
    leaking, elsewhere = hearth("complete", "--cases", cases, "--json").lines()
    rest = "al(prices) / len(prices)"
    assert rest not in {completion["text"] for completion in leaking["completions"]}
    # The same cursor in another file may use it, so the test could fail.
    assert rest in {completion["text"] for completion in elsewhere["completions"]}


def test_no_completion_repeats_what_follows_the_cursor(hearth: Hearth, tmp_path: Path) -> None:
    cases = write_cases(
        tmp_path,
        *(
            {"id": offset, "repo": "shop", "path": "shop/cart.py", "offset": offset}
            for offset in range(0, len(CART), 7)
        ),
    )
    for answer in hearth("complete", "--cases", cases, "--json").lines():
        after = CART[answer["id"] :].partition("\n")[0].strip()
        for completion in answer["completions"]:
            assert not after or completion["text"].strip() != after


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{nonsense\n", "not JSON"),
        ("[1]\n", "not a JSON object"),
        ({"path": "a.py", "offset": 1}, '"id" must be'),
        ({"id": True, "path": "a.py", "offset": 1}, '"id" must be'),
        ({"id": 2, "offset": 1}, '"path" is missing'),
        ({"id": 2, "path": "a\0.py", "offset": 1}, "zero byte"),
        ({"id": 2, "path": "a.py"}, '"offset" is missing'),
        ({"id": 2, "path": "a.py", "offset": -1}, '"offset" must be'),
        ({"id": 2, "path": "a.py", "offset": "1"}, '"offset" must be'),
        ({"id": 2, "path": "a.py", "prefix": 3}, '"prefix" must be text'),
        ({"id": 2, "path": "a.py", "ofset": 1}, 'unknown key "ofset"; did you mean "offset"?'),
        ({"id": 2, "path": "absent.py", "offset": 1}, "cannot be read"),
        ({"id": 2, "repo": "shop", "path": "absent.py", "offset": 1}, "not in the index of shop"),
        ({"id": 2, "repo": "nobody", "path": "a.py", "offset": 1}, "nobody"),
        ({"id": 2, "repo": "shop", "ref": "v9", "path": "a.py", "prefix": "x"}, "v9"),
        ({"id": 2, "repo": "shop", "path": "shop/cart.py", "offset": 99_999}, "after the end"),
    ],
)
def test_a_line_that_is_not_usable_is_named(
    hearth: Hearth, tmp_path: Path, line: dict[str, Any] | str, said: str
) -> None:
    good = {"id": 1, "path": "a.py", "prefix": "x = ", "suffix": "\n"}
    cases = write_cases(tmp_path, good, line, {**good, "id": 3})
    outcome = hearth("complete", "--cases", cases, "--json")
    assert outcome.code == 9
    assert f"{cases}:2: " in outcome.err
    assert said in outcome.err
    assert [answer.get("id") for answer in outcome.lines()] == [1, None]

    outcome = hearth("complete", "--cases", cases, "--json", "--keep-going")
    assert outcome.code == 0
    first, bad, last = outcome.lines()
    assert (first["id"], last["id"]) == (1, 3)
    assert said in bad["error"]["message"]


def test_what_a_case_carries_besides_is_left_alone(hearth: Hearth, tmp_path: Path) -> None:
    cases = write_cases(tmp_path, {"id": 1, "path": "a.py", "prefix": "x = ", "suffix": "\n", "gt": "1", "tags": ["a"]})
    outcome = hearth("complete", "--cases", cases, "--json")
    assert [answer["id"] for answer in outcome.lines()] == [1]


def test_a_text_needs_no_path(hearth: Hearth, tmp_path: Path) -> None:
    outcome = hearth("complete", "--cases", write_cases(tmp_path, {"id": 1, "prefix": CART + CART[:-6]}), "--json")
    assert outcome.lines()[0]["completions"][0]["text"].strip()


def test_a_case_file_that_cannot_be_read(hearth: Hearth, tmp_path: Path) -> None:
    assert hearth("complete", "--cases", tmp_path / "absent", "--json").code == 9
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "UTF-8" in hearth("complete", "--cases", tmp_path / "binary", "--json").err


def test_a_floor_leaves_out_what_is_less_likely(hearth: Hearth, tmp_path: Path) -> None:
    case = {"id": 1, "repo": "shop", "path": "new.py", "prefix": CART + "\n\ndef total(", "suffix": "\n"}
    cases = write_cases(tmp_path, case)
    (answer,) = hearth("complete", "--cases", cases, "--json", "--floor", "0.99").lines()
    assert all(completion["confidence"] >= 0.99 for completion in answer["completions"])
