"""Golden tables: what an engine writes (raw), and what a user may see of it at a cursor (marked ``|``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.completion.postprocess import Cursor, cursor_of, settle, wants_several_lines
from server.types import CompletionRequest


def at(text: str, *, multiline: bool | None = None, language: str = "python") -> Cursor:
    prefix, _, suffix = text.rpartition("|")
    if multiline is None:
        before = prefix.replace("\r\n", "\n").rpartition("\n")[2]
        multiline = wants_several_lines(before, suffix.replace("\r\n", "\n").partition("\n")[0])
    return cursor_of(
        CompletionRequest(path="a", language=language, prefix=prefix, suffix=suffix, multiline=multiline), max_lines=12
    )


def check(text: str, raw: str, expected: str, *, multiline: bool | None = None) -> None:
    """Compare the end, and see that no way of cutting the stream lets anything else through on the way."""
    cursor = at(text, multiline=multiline)
    assert settle(raw, cursor, final=True).text == expected
    shown = ""
    for end in range(1, len(raw) + 1):
        draft = settle(raw[:end], cursor, final=False)
        if draft.complete:
            assert draft.text == expected
            break
        assert draft.text.startswith(shown), f"{shown!r} flickers to {draft.text!r} after {raw[:end]!r}"
        shown = draft.text
    assert shown.startswith(expected) or expected.startswith(shown)


PYTHON = [
    ("one line only", "x = |", "compute(a)\ny = 2\n", "compute(a)"),
    ("closing bracket is there", "print(|)\n", "value)", "value"),
    ("own brackets stay", "print(|)\n", "f(x)", "f(x)"),
    ("bracket and colon are there", "def run(|):\n", "self, job: Job) -> None:", "self, job: Job"),
    ("closing quote is there", 'print("|")\n', 'hello")', "hello"),
    ("own string stays", "print(|)\n", '"hello"', '"hello"'),
    ("the rest of the line is repeated", "total = | + tax\n", "price * count + tax", "price * count"),
    ("half a word is no repetition", "x = |y_max\n", "try_y", "try_y"),
    ("argument before another", "call(|b)\n", "a, ", "a, "),
    (
        "body ends with its block",
        "def area(w, h):|\n\n\ndef other():\n    pass\n",
        "\n    return w * h\n\n\ndef more():\n    pass",
        "\n    return w * h",
    ),
    (
        "continued block ends at a dedent",
        "class A:\n    def f(self):\n        |\n",
        "x = 1\n        return x\n\n    def g(self):\n        pass",
        "x = 1\n        return x",
    ),
    ("following line is not repeated", "if a:\n    |\n    return b\n", "b = 1\n    return b\n", "b = 1"),
    ("line above is not repeated", "import os\n|\n", "import os", ""),
    ("line above may begin alike", "import os\n|\n", "import os.path", "import os.path"),
    ("endless repetition", "x\n|\n", "add(1)\nadd(1)\nadd(1)\nadd(1)\n", "add(1)"),
    ("blanks only", "x = |\n", "   \n\n", ""),
    ("special token", "x = |\n", "1<|endoftext|><|fim_prefix|>import", "1"),
    ("tabs become the file's spaces", "if a:\n    b()\nif c:|\n", "\n\td()", "\n    d()"),
    ("stops at a top-level neighbour", "|\n", "def f():\n    pass\n\n\ndef g():\n    pass\n", "def f():\n    pass"),
]

TYPESCRIPT = [
    ("semicolon is there", "const a = |;\n", "b();", "b()"),
    ("arrow body", "items.map((item) => {|\n});\n", "\n  return item.id;\n});", "\n  return item.id;"),
    ("object ends with its brace", "const o = {|\n", "\n  a: 1,\n};\nconst p = 2;", "\n  a: 1,\n};"),
    ("template", "log(`|`)\n", "${name}`)", "${name}"),
    ("else branch goes on", "if (a) {|\n", "\n  b();\n} else {\n  c();\n}\nd();", "\n  b();\n} else {\n  c();\n}"),
]

GO = [
    ("spaces become the file's tabs", "func f() {\n\tg()\n}\n\nfunc h() {|\n", "\n    i()\n}", "\n\ti()\n}"),
    (
        "two levels",
        "func f() {\n\tg()\n}\n\nfunc h() {|\n",
        "\n  if x {\n    i()\n  }\n}",
        "\n\tif x {\n\t\ti()\n\t}\n}",
    ),
    ("brace below is not repeated", "func h() error {|\n}\n", "\n\treturn nil\n}", "\n\treturn nil"),
    ("condition", "if err != |{\n", "nil {", "nil "),
]

JAVA = [
    ("call in a statement", "String s = String.valueOf(|);\n", "count);", "count"),
    (
        "method body",
        "class A {\n    int f() {|\n    }\n}\n",
        "\n        return 1;\n    }\n\n    int g() {",
        "\n        return 1;",
    ),
    ("generic", "List<|> names;\n", "String>", "String"),
]

RUST = [
    ("match arm", "match x {\n    Some(v) => |,\n}\n", "v,", "v"),
    ("lifetime is no string", "fn f(|)\n", "s: &'a str)", "s: &'a str"),
    ("question mark", "let a = read(|)?;\n", "path)?;", "path"),
    ("block", "fn f() -> u8 {|\n}\n", "\n    1\n}\n\nfn g() {}", "\n    1"),
]

CASES = [*PYTHON, *TYPESCRIPT, *GO, *JAVA, *RUST]


@pytest.mark.parametrize(("text", "raw", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_an_engine_writes_is_made_to_fit(text: str, raw: str, expected: str) -> None:
    check(text, raw, expected)


def test_crlf_is_kept() -> None:
    check("def f():\r\n    pass\r\n\r\ndef g():|\r\n", "\n    a()\n    b()\n", "\r\n    a()\r\n    b()")


def test_carriage_returns_never_reach_a_file_without_them() -> None:
    check("def f():\n    pass\n\ndef g():|\n", "\r\n    a()\r\n    b()\r\n", "\n    a()\n    b()")


def test_special_tokens_that_the_file_is_about_are_left_alone() -> None:
    check('A = "<|endoftext|>"\nB = |\n', '"<|endoftext|>"', '"<|endoftext|>"')


def test_early_end_tells_that_nothing_more_is_wanted() -> None:
    assert settle("value\nnext", at("x = |\n"), final=False).complete


@pytest.mark.parametrize(
    ("before", "after", "several"),
    [
        ("", "", True),
        ("    ", "", True),
        ("def f():", "", True),
        ("if (x) {", "", True),
        ("x = ", "", False),
        ("print(", ")", False),
        ("", "rest", False),
        ("for i in a; do", "", True),
    ],
)
def test_several_lines_only_where_a_block_can_stand(before: str, after: str, several: bool) -> None:
    assert wants_several_lines(before, after) is several


_PIECES = st.sampled_from(
    [
        "a",
        "foo",
        " ",
        "    ",
        "\t",
        "\n",
        "\r\n",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        ";",
        ",",
        ":",
        "<|",
        "<|fim_",
        "x = 1\n",
        "}\n",
    ]
)
_TEXTS = st.sampled_from([case[1] for case in CASES])


@given(text=_TEXTS, pieces=st.lists(_PIECES, max_size=20))
def test_streams_never_flicker(text: str, pieces: list[str]) -> None:
    cursor, raw, shown = at(text), "", ""
    for piece in pieces:
        raw += piece
        draft = settle(raw, cursor, final=False)
        if draft.complete:
            break
        assert draft.text.startswith(shown)
        shown = draft.text
    final = settle(raw, cursor, final=True).text
    assert final.startswith(shown) or shown.startswith(final)


@given(text=_TEXTS, pieces=st.lists(_PIECES, max_size=20))
def test_what_follows_the_cursor_is_never_repeated(text: str, pieces: list[str]) -> None:
    cursor = at(text)
    final = settle("".join(pieces), cursor, final=True).text
    if cursor.rest and any(character.isalpha() for character in cursor.rest) and final.strip() != cursor.rest:
        assert not final.rstrip().endswith(" " + cursor.rest)
