from __future__ import annotations

import pytest

from server.syntax import TokenKind, bound_names, lex, lex_lines, name_at, name_uses


def names(text: str, language: str) -> list[str]:
    return [token.text for token in lex(text, language) if token.kind is TokenKind.NAME]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", 'x = f"{y}" # note\n"""doc with name""" + call(z)', ["x", "call", "z"]),
        ("python", "it's = 1", ["it"]),
        ("typescript", "const a = `template ${b}` // c\n/* d */ e?.f", ["a", "e", "f"]),
        ("go", "a := `raw\nstring` + 'c'", ["a"]),
        ("rust", "fn f<'a>(x: &'a str) { r#\"raw \" text\"#; 'c' }", ["f", "a", "x", "a"]),
        ("java", 'char c = \'\\u0041\'; String s = "a\\"b"; // d', ["c", "String", "s"]),
        ("bash", 'echo "$HOME" # comment\nname=$# other', ["name", "other"]),
        ("php", "$this->name = $value; # note", ["name", "$value"]),
        ("unknown-language", "alpha beta // gamma", ["alpha", "beta"]),
    ],
)
def test_names_are_neither_strings_nor_comments(language: str, text: str, expected: list[str]) -> None:
    assert names(text, language) == expected


def test_tokens_know_their_line_and_column() -> None:
    tokens = lex('a = """one\ntwo""" + b\nc', "python")
    assert [(token.text, token.line, token.column) for token in tokens if token.kind is TokenKind.NAME] == [
        ("a", 1, 0),
        ("b", 2, 9),
        ("c", 3, 0),
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [("python", '"""\nnot a name\nstill not"""\ncode'), ("go", "/*\nnot a name\nstill not */\ncode")],
)
def test_a_window_that_begins_inside_of_a_comment_is_read_as_one(language: str, text: str) -> None:
    tokens = lex_lines(text.split("\n"), 1, 4, language)
    assert [(token.text, token.line) for token in tokens if token.kind is TokenKind.NAME] == [("code", 4)]


def test_uses_tell_calls_members_and_types_apart() -> None:
    uses = {
        use.name: (use.shape.value, use.qualifier) for use in name_uses(lex("http.get(self.host, Url(path))", "python"))
    }
    assert uses == {
        "http": ("plain", ""),
        "get": ("member-call", "http"),
        "host": ("member", "self"),
        "Url": ("call", ""),
        "path": ("plain", ""),
    }


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "a = 1\nb.c = 2\nfor k, v in d: pass\nwith f() as g: pass", {"a", "k", "v", "g"}),
        ("go", "a, err := f()\nvar b int", {"a", "err", "b"}),
        ("rust", "let mut a = 1; for x in y {}", {"a", "x"}),
        ("typescript", "const a = b; let c; for (const d of e) {}", {"a", "c", "d"}),
    ],
)
def test_names_bound_to_values_are_local(language: str, text: str, expected: set[str]) -> None:
    assert bound_names(lex(text, language)) == expected


def test_the_name_just_before_the_pointer_counts() -> None:
    found = name_at("x = compute(y)", "python", 1, len("x = compute"))
    assert found is not None
    assert found[0].name == "compute"
    assert name_at("x = 'compute'", "python", 1, 6) is None
