"""docs/protocol.md, the server and both plugins speak of the same methods and the same fields."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcInvalidParams

from server import queries
from server.completion import SuggestionRecord
from server.completion.records import Making
from server.context import Dropped
from server.lsp import protocol
from server.lsp.remote_workspace import RepositoryClaim
from server.lsp.services import StartOptions
from tests.conftest import Repository
from tests.e2e.editor import HEARTH, Editor, open_editor_here, plain
from tests.e2e.model_server import running_model_server
from tests.editors.notation import Shape, below, luals, read, seen, typescript
from tests.patience import PATIENT, patient_model

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
VSCODE = ROOT / "editors" / "vscode"
TYPESCRIPT = typescript((VSCODE / "src" / "protocol.ts").read_text())
NEOVIM = ROOT / "editors" / "neovim" / "lua" / "hearth"
LUA = luals((NEOVIM / "types.lua").read_text())


def shapes(text: str) -> list[Shape]:
    """Return what the pieces of code in a text describe, in order."""
    return [read(span.replace(r"\|", "|")) for span in re.findall(r"`(\{.*?\})`", text)]


def rows(section: str) -> dict[str, str]:
    """Return the second column of a section's tables by the method in the first."""
    return dict(re.findall(r"^\| `([\w$/]+)`[^|]*\| (.*) \|$", SECTIONS[section], re.MULTILINE))


REQUESTS = rows("Custom requests")
TOLD = rows("Custom notifications")
PARAMETERS = {method: shapes(text)[0] for method, text in (REQUESTS | TOLD).items() if method != "hearth/status"}
EXPLAIN_ARGUMENT, EXPLANATION_PART, EXPLANATION = shapes(SECTIONS["Explanations"])
VALUES = {
    "hearth/search": shapes(REQUESTS["hearth/search"])[1],
    "hearth/why": shapes(REQUESTS["hearth/why"])[1],
    "hearth/file": shapes(REQUESTS["hearth/file"])[1],
    "hearth/status": shapes(TOLD["hearth/status"])[0],
    "completion": shapes(SECTIONS["Streaming a completion"])[0],
    "explanation part": EXPLANATION_PART,
    "explanation": EXPLANATION,
}
COMMANDS = set(re.findall(r"`(hearth\.\w+)`", rows("Standard methods")["workspace/executeCommand"]))


def test_the_document_and_the_server_have_the_same_methods() -> None:
    served = {value for value in vars(protocol).values() if isinstance(value, str) and value.startswith("hearth/")}
    assert REQUESTS.keys() | TOLD.keys() == served


def test_vs_code_has_the_same_methods_with_the_same_fields() -> None:
    requests, told = read(TYPESCRIPT["Requests"]), read(TYPESCRIPT["Notifications"], TYPESCRIPT)
    requested = {place for place in requests if re.fullmatch(r"hearth/\w+", place)}
    assert requested == REQUESTS.keys()
    assert {place for place in told if "." not in place} == TOLD.keys() - {"hearth/status"}
    typed = read(TYPESCRIPT["Requests"], TYPESCRIPT)
    for method in requested:
        assert below(typed, f"{method}.params") == PARAMETERS.get(method, {}), method
        assert below(typed, f"{method}.result") == VALUES[method], method
    for method in TOLD.keys() - {"hearth/status"}:
        assert below(told, method) == PARAMETERS[method], method


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("CompletionList", VALUES["completion"]),
        ("ExplainArguments", EXPLAIN_ARGUMENT),
        ("ExplanationPart", EXPLANATION_PART),
        ("Explanation", EXPLANATION),
    ],
)
def test_vs_code_has_the_same_values(name: str, shape: Shape) -> None:
    assert read(TYPESCRIPT[name], TYPESCRIPT) == shape


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("InlineCompletionItem", below(VALUES["completion"], "items[]")),
        ("Citation", below(EXPLANATION, "citations[]")),
        ("Explanation", EXPLANATION),
        ("SearchHit", below(VALUES["hearth/search"], "hits[]")),
        ("Why", VALUES["hearth/why"]),
        ("IndexedFile", VALUES["hearth/file"]),
        ("ServerStatus", VALUES["hearth/status"]),
    ],
)
def test_neovim_has_the_same_values(name: str, shape: Shape) -> None:
    def unqualified(kind: str) -> str:
        return kind.replace("lsp.", "")

    typed = read(LUA[f"hearth.{name}"], LUA)
    assert {place: unqualified(kind) for place, kind in typed.items()} == shape


def test_neovim_sends_the_parameters_that_are_documented() -> None:
    sources = "\n".join(path.read_text() for path in NEOVIM.glob("*.lua"))
    calls = re.findall(r'"(hearth/\w+)", \{(.*?)\}', sources)
    calls += [
        (f"hearth/did{what}Completion", given) for what, given in re.findall(r'send\("(\w+)", \{(.*?)\}', sources)
    ]
    assert {"hearth/search", "hearth/why", "hearth/file"} <= {method for method, _ in calls}
    assert "hearth/didPartiallyAcceptCompletion" in {method for method, _ in calls}
    for method, given in calls:
        sent = set(re.findall(r"(\w+) =", given))
        needed = {name for name, kind in PARAMETERS[method].items() if not kind.endswith("?")}
        assert needed <= sent <= PARAMETERS[method].keys(), method


def test_commands_of_the_server_are_the_same_everywhere() -> None:
    source = (VSCODE / "src" / "protocol.ts").read_text()
    assert set(re.findall(r'^export const SERVER_\w+ = "(hearth\.\w+)"', source, re.MULTILINE)) == COMMANDS


def test_what_is_said_at_initialize_is_the_same_everywhere() -> None:
    alone = below(shapes(SECTIONS["Initialization options"])[0], "hearth")
    team = below(shapes(SECTIONS["The team server"])[0], "hearth")
    assert read(TYPESCRIPT["InitializationOptions"], TYPESCRIPT) == alone | team

    def camel(name: str) -> str:
        return re.sub(r"_(\w)", lambda found: found[1].upper(), name)

    assert {camel(field) for field in StartOptions.__dataclass_fields__} == alone.keys()
    assert set(RepositoryClaim.__dataclass_fields__) == below(team, "repositories[]").keys()


def test_examples_are_what_they_are_examples_of() -> None:
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
    assert len(examples) == 4
    completion, part, explanation, options = examples
    assert set(seen(completion["params"]["value"], VALUES["completion"]))
    assert set(seen(part["params"]["value"], EXPLANATION_PART))
    assert set(seen(explanation, EXPLANATION)) == EXPLANATION.keys()
    assert set(seen(options, shapes(SECTIONS["The team server"])[0]))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose index is ``data`` beside it."""
    repository = Repository(tmp_path / "shop")
    repository.path.mkdir()
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit({"money.py": 'def convert(price):\n    """To euro."""\n    return price * 2\n', "cart.py": ""})
    index = [*HEARTH, "index", str(repository.path), "--data", str(tmp_path / "data")]
    subprocess.run(index, check=True, capture_output=True, timeout=120)
    return repository


async def test_the_server_answers_what_is_documented(repository: Repository) -> None:
    values = await answers(repository)
    for name, shape in VALUES.items():
        filled = {place for value in values[name] for place in seen(value, shape)}
        # Said by `hearth connect`, whose own tests see it.
        assert filled == shape.keys() - {"connected"}, name


async def answers(repository: Repository) -> dict[str, list[Any]]:
    """Return what the real server answers, and one reason of each kind."""
    uri = (repository.path / "cart.py").as_uri()
    text = "from money import convert\n\ntotal = convert("
    async with running_model_server() as model:
        settings = f"{patient_model(model.url)}{PATIENT}"
        async with open_editor_here(repository.path, repository.path.parent / "data", settings) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model)
            await refuses_what_is_not_documented(editor)
            editor.open(uri, text)
            asked = editor.complete(uri, 2, 16)
            call = await model.next_call()
            call.write("price", ")", None)
            completion = await asked.result
            explaining = editor.explain(uri, (2, 0), (2, 16))
            chat = await model.chats.get()
            chat.write("It converts", " [1].", None)
            explanation = await explaining.result
            breaking_off = editor.explain(uri, (2, 0), (2, 16))
            chat = await model.chats.get()
            chat.write("It con")
            await editor.wait_for(lambda: breaking_off.parts)
            chat.break_off()
            broken_off = await breaking_off.result
            why = await editor.request("hearth/why", {"id": completion.items[0].command.arguments[0]})
            found = await editor.request("hearth/search", {"query": "convert", "repository": "shop", "limit": 3})
            file = {"repository": "shop", "path": "money.py", "ref": "main"}
            values = {
                "hearth/search": found,
                "hearth/why": why,
                "hearth/file": await editor.request("hearth/file", file),
                "hearth/status": await editor.request("hearth/status", {}),
                "explanation": explanation,
            }
            values = {name: [plain(value)] for name, value in values.items()}
            values["completion"] = [plain(part) for part in asked.parts]
            values["explanation"].append(plain(broken_off))
            values["explanation part"] = [plain(part) for part in explaining.parts]
    left_out = SuggestionRecord(making=Making(confidence=0.5, dropped=(Dropped("shop", "money.py", "weak"),)))
    values["hearth/why"].append(queries.why_value(left_out, None))
    return values


async def refuses_what_is_not_documented(editor: Editor) -> None:
    """Each parameter that is documented is read: the server does not do without it, nor takes nonsense for it."""
    for method in ("hearth/search", "hearth/why", "hearth/file"):
        fields = PARAMETERS[method]
        good = {name: 1 if kind.startswith("number") else "x" for name, kind in fields.items()}
        for name, kind in fields.items():
            missing = {other: value for other, value in good.items() if other != name}
            bad = [{**good, name: ["nonsense"]}, *([] if kind.endswith("?") else [missing])]
            for parameters in bad:
                with pytest.raises(JsonRpcInvalidParams):
                    await editor.request(method, parameters)
