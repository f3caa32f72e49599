from __future__ import annotations

from server.context.documents import ParseCache


def _long(functions: int) -> str:
    body = "".join(f"def function_{number}():\n    return {number}  # {'.' * 60}\n\n\n" for number in range(functions))
    return f"import os\n\n\n{body}"


def test_of_a_long_document_the_imports_and_what_is_near_the_cursor_are_parsed() -> None:
    text = _long(20_000)
    line = text[: text.index("def function_12000(")].count("\n") + 1
    parsed = ParseCache().parse(text, "python", cursor_line=line)
    lines = {symbol.name: symbol.start_line for symbol in parsed.symbols}
    assert [item.module for item in parsed.imports] == ["os"]
    # Every line keeps its number, and what is far from both ends is left out.
    assert lines["function_12000"] == line
    assert {"function_0", "function_11900", "function_12100"} <= lines.keys()
    assert not {"function_6000", "function_19000"} & lines.keys()


def test_a_long_document_without_a_cursor_is_parsed_in_the_whole() -> None:
    names = {symbol.name for symbol in ParseCache().parse(_long(5_000), "python").symbols}
    assert {"function_0", "function_2500", "function_4999"} <= names
