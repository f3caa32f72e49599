"""The main job in one minute: index a repository, type in it as an editor would, read an explanation.

``python -m benchmarks.demo [--repo PATH] [--seed N]``; ``make demo`` runs it. Nothing is staged: the index is made by
``hearth index``, the answers come from a ``hearth lsp`` process over stdio, and the places to type at are drawn at
random from the repository's own files, by seed. The repository is only read.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, ServerAnsweredError, ServerGone, open_editor
from benchmarks.typing import LANGUAGES

HEARTH = str(Path(sys.executable).with_name("hearth"))

_PLACES = 60
_KEYSTROKES = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor inside one line of a real file, with the rest of that line taken away.

    ``before`` and ``after`` are whole lines above and below; ``head`` is what stands before the cursor, ``tail`` what
    the author wrote behind it. ``line`` is 0-based.
    """

    path: Path
    language: str
    before: str
    head: str
    tail: str
    after: str
    line: int

    @property
    def uri(self) -> str:
        """The document's URI."""
        return self.path.as_uri()


def main() -> int:
    """Run the demonstration and return its exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="Index a repository and watch Hearth work in it.")
    parser.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[1], help="a git work tree")
    parser.add_argument("--seed", type=int, default=7, help="chooses the places to type at")
    options = parser.parse_args()
    console = Console(highlight=False)
    repository = options.repo.resolve()
    steps: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="hearth-demo-") as data:
        console.rule(f"[bold]1. Index {escape(repository.name)}")
        started = time.perf_counter()
        indexed = subprocess.run([HEARTH, "index", str(repository), "--data", data], check=False)
        steps.append(("index the repository", time.perf_counter() - started))
        if indexed.returncode != 0:
            return indexed.returncode
        try:
            asyncio.run(_edit(console, repository, Path(data), options.seed, steps))
        except (ServerGone, ServerAnsweredError) as error:
            console.print(f"[red]{escape(str(error))}")
            return 1
    table = Table(title="What each step took")
    table.add_column("step")
    table.add_column("ms", justify="right")
    for name, seconds in steps:
        table.add_row(name, f"{seconds * 1000:,.1f}")
    console.print(table)
    return 0


async def _edit(console: Console, repository: Path, data: Path, seed: int, steps: list[tuple[str, float]]) -> None:
    console.rule("[bold]2. Start the language server, as an editor does")
    started = time.perf_counter()
    async with open_editor([HEARTH, "lsp", "--data", str(data)], cwd=repository) as editor:
        await editor.initialize(repository, VSCODE_CAPABILITIES)
        steps.append(("start hearth lsp and shake hands", time.perf_counter() - started))
        status = await editor.request("hearth/status", {})
        console.print(f"engine: [bold]{status['engine']['rung']}[/] {escape(status['engine']['detail'])}")
        for entry in status["index"]["repositories"]:
            console.print(f"index: {entry['name']} at {entry['commit'][:12]}, {entry['chunks']:,} chunks")

        console.rule("[bold]3. Type, and watch the completion grow")
        place = await _first_suggestion(console, editor, repository, seed, steps)
        if place is None:
            console.print("No suggestion: the embedded engine stays silent when it is unsure. Another --seed may help.")
            return
        console.rule("[bold]4. Ask for an explanation of the code around the cursor")
        await _explain(console, editor, place, steps)


async def _first_suggestion(
    console: Console, editor: Editor, repository: Path, seed: int, steps: list[tuple[str, float]]
) -> Place | None:
    """Type at random places until a suggestion grows in parts; show it, accept it, and say how often there was none."""
    silent = whole = 0
    for asked, place in enumerate(_places(repository, random.Random(seed)), start=1):
        editor.open(place.uri, place.language, place.before + place.head[:-_KEYSTROKES] + place.after)
        column = len(place.head) - _KEYSTROKES
        for offset in range(_KEYSTROKES):
            editor.insert(place.uri, place.line, column + offset, place.head[column + offset])
        shown: list[tuple[float, str]] = []
        answer = await editor.complete(
            place.uri,
            place.line,
            len(place.head),
            automatic=False,
            on_part=lambda seconds, value, shown=shown: shown.append((seconds, _text(value))),  # type: ignore[misc]
        )
        final = _text(answer.result)
        growing = len({text for _, text in shown}) > 1
        silent += not final
        whole += bool(final) and not growing
        # After many places one that came in a single part will do.
        if not final or not (growing or asked >= _PLACES):
            editor.notify("textDocument/didClose", {"textDocument": {"uri": place.uri}})
            if asked >= 2 * _PLACES:
                return None
            continue
        relative = place.path.relative_to(repository)
        console.print(
            f"asked at {asked} random places: silent at {silent}, a word or so at {whole}; then, at "
            f"[bold]{escape(str(relative))}:{place.line + 1}[/]"
        )
        for text in place.before.splitlines()[-4:]:
            console.print(f"  [dim]{escape(text)}")
        for seconds, text in [*shown, (answer.seconds, final)]:
            console.print(f"  {escape(place.head)}[cyan]{escape(text)}[/]   [dim]{seconds * 1000:.1f} ms")
        if shown:
            steps.append(("first part of the completion", shown[0][0]))
        steps.append((f"whole completion ({len(shown)} parts)", answer.seconds))
        editor.insert(place.uri, place.line, len(place.head), final)
        item = answer.result["items"][0]
        await editor.request("workspace/executeCommand", item["command"])
        console.print(
            f"accepted with Tab; the author had written {escape(_verdict(final.strip(), place.tail.strip()))}"
        )
        return place
    return None


def _verdict(suggested: str, written: str) -> str:
    """Compare what was suggested with what the author had written there."""
    if suggested == written:
        return "exactly that"
    if written.startswith(suggested):
        return f"that, and went on with {written.removeprefix(suggested)!r}"
    return f"{written!r}"


async def _explain(console: Console, editor: Editor, place: Place, steps: list[tuple[str, float]]) -> None:
    cursor = {"line": place.line, "character": 0}
    first: list[float] = []

    def show(seconds: float, value: Any) -> None:
        first.append(seconds)
        console.print(escape(value["delta"]), end="", soft_wrap=True)

    answer = await editor.stream(
        "workspace/executeCommand",
        {"command": "hearth.explain", "arguments": [{"uri": place.uri, "range": {"start": cursor, "end": cursor}}]},
        show,
    )
    console.print()
    if first:
        steps.append(("first words of the explanation", first[0]))
    steps.append((f"whole explanation ({len(first)} parts)", answer.seconds))
    for citation in answer.result["citations"]:
        console.print(
            f"  [{citation['number']}] {citation['repository']}/{citation['path']}:{citation['startLine']}-"
            f"{citation['endLine']} @ {citation['commit'][:12] or 'unsaved'}",
            markup=False,
        )


def _places(repository: Path, chance: random.Random) -> Iterator[Place]:
    """Yield random cursors inside lines of the repository's tracked source files."""
    listed = subprocess.run(
        ["git", "-C", str(repository), "ls-files", "-z"],
        check=True,
        capture_output=True,
    ).stdout
    paths = [repository / name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name]
    paths = [path for path in paths if path.suffix in LANGUAGES and path.is_file()]
    while paths:
        path = chance.choice(paths)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        candidates = [number for number, text in enumerate(lines) if number >= 10 and _typable(text)]
        if not candidates:
            paths.remove(path)
            continue
        number = chance.choice(candidates)
        text = lines[number].rstrip("\r\n")
        indent = len(text) - len(text.lstrip())
        cut = indent + max(_KEYSTROKES, (len(text) - indent) // 3)
        yield Place(
            path=path,
            language=LANGUAGES[path.suffix],
            before="".join(lines[:number]),
            head=text[:cut],
            tail=text[cut:],
            after=lines[number][len(text) :] + "".join(lines[number + 1 :]),
            line=number,
        )


def _typable(line: str) -> bool:
    text = line.strip()
    return 16 <= len(text) <= 100 and text.isascii() and not text.startswith(("#", "//", "*", "/*", '"""'))


def _text(result: Any) -> str:
    """Return the text of the first item of an inline completion result, empty without one."""
    items = result["items"] if isinstance(result, dict) else result or []
    return str(items[0]["insertText"]) if items else ""


if __name__ == "__main__":
    sys.exit(main())
