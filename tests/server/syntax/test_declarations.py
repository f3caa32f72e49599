from __future__ import annotations

import pytest

from server.syntax import Parameter, parameters, return_type

SIGNATURES = [
    (
        "python",
        "def load(self, path: Path, *extra, strict: bool = True, **rest) -> dict[str, int]",
        "load",
        [("path", "Path", ""), ("extra", "", ""), ("strict", "bool", "True"), ("rest", "", "")],
        "dict[str, int]",
    ),
    (
        "go",
        "func (s *Server) Serve(w http.ResponseWriter, a, b int) (int, error)",
        "Serve",
        [("w", "http.ResponseWriter", ""), ("a", "int", ""), ("b", "int", "")],
        "(int, error)",
    ),
    (
        "java",
        "public static <T> List<T> find(final Map<String, T> all, int... ids) throws IOException",
        "find",
        [("all", "Map<String, T>", ""), ("ids", "int...", "")],
        "List<T>",
    ),
    (
        "rust",
        "pub fn spawn<F>(&self, future: F, name: &'a str) -> JoinHandle<F::Output> where F: Future",
        "spawn",
        [("future", "F", ""), ("name", "&'a str", "")],
        "JoinHandle<F::Output>",
    ),
    (
        "typescript",
        "export async function run<T>(task: (x: number) => void, retries = 3, name?: string): Promise<T>",
        "run",
        [("task", "(x: number) => void", ""), ("retries", "", "3"), ("name", "string", "")],
        "Promise<T>",
    ),
    (
        "kotlin",
        "fun open(path: String, mode: Int = 0): File",
        "open",
        [("path", "String", ""), ("mode", "Int", "0")],
        "File",
    ),
    (
        "c",
        "static int parse(const char *text, struct tree **out)",
        "parse",
        [("text", "char", ""), ("out", "struct tree", "")],
        "int",
    ),
    ("ruby", "def fetch(key, default = nil)", "fetch", [("key", "", ""), ("default", "", "nil")], ""),
    ("python", "class Empty", "Empty", [], ""),
]


@pytest.mark.parametrize(("language", "signature", "name", "taken", "returned"), SIGNATURES)
def test_parameters_and_result_of_a_signature(
    language: str, signature: str, name: str, taken: list[tuple[str, str, str]], returned: str
) -> None:
    assert parameters(signature, name, language) == tuple(Parameter(*parameter) for parameter in taken)
    assert return_type(signature, name, language) == returned


def test_a_signature_that_was_cut_short_is_read_as_far_as_it_goes() -> None:
    assert parameters("def f(a: int, b: dict[str", "f", "python") == (Parameter("a", "int"), Parameter("b", "dict[str"))
