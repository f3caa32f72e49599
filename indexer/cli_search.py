"""``hearth search``: one query for people, or a file of them for measuring."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexer.cli_options import ConfigOption, DataOption, JsonOption, settings
from indexer.errors import InvalidQueryFile, UnknownRepository
from indexer.terminal import visible, visible_name
from indexer.types import Hit, Scope

if TYPE_CHECKING:
    from indexer.api import Index

MAX_K = 1000
MAX_LINE_CHARS = 1_000_000
_DEFAULT_K = 10
_SHOWN_LINES = 6
_FIELDS = frozenset({"id", "query", "repo", "ref", "k"})


@dataclass(frozen=True, slots=True)
class QueryLine:
    """One line of a ``--queries`` file; ``id`` is given back as it came, ``place`` is ``file:line``."""

    id: str | int
    query: str
    repo: str = ""
    ref: str = ""
    k: int = 0
    place: str = ""


def register(app: typer.Typer) -> None:
    """Add the command to ``hearth``."""
    app.command(rich_help_panel="Code")(search)


def search(
    context: typer.Context,
    *,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="Words, a question, a name or a piece of code.")
    ] = None,
    repo: Annotated[
        list[str] | None,
        typer.Option("--repo", metavar="NAME", help="Search this repository only; may be given several times."),
    ] = None,
    ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="Branch, tag or commit [default: each repository's default].")
    ] = "",
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, max=MAX_K, help="How many hits.")] = _DEFAULT_K,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE", help="Search for every line of a JSONL file instead; - reads stdin."),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the indexed repositories by words and by meaning.

    `hearth search "where is the retry delay computed"`

    `hearth search parseRequest --repo shop -k 20`

    A line of `--queries` is `{"id", "query", "repo"?, "ref"?, "k"?}`; with `--json` each is answered by a line
    `{"id", "hits": [{"repo", "path", "start_line", "end_line", "score"}]}`, best first, in the order of the file.
    """
    if (query is None) == (queries is None):
        raise typer.BadParameter("give either a QUERY or --queries FILE")
    chosen = settings(context, data, config)
    lines = read_queries(queries) if queries is not None else []
    from indexer.api import Index  # noqa: PLC0415  # start-up time of every other command

    with Index.open(chosen.data, chosen.index) as index:
        scope = Scope(frozenset(repo) if repo else None, ref)
        for name in repo or ():
            index.commit(name, ref)
        if ref and not repo:
            _check_ref(index, ref)
        if query is not None:
            _print_answer(index.search(query, scope, k), query, as_json=as_json)
            if not as_json and not index.repositories():
                sys.stderr.write("hearth: nothing is indexed yet; start with: hearth index REPO\n")
            return
        _check_repositories(index, lines)
        for line in lines:
            hits = index.search(line.query, _scope_of(line, scope), line.k or k)
            if as_json:
                _print_json({"id": line.id, "hits": [_brief(hit) for hit in hits]})
            else:
                _print_people(hits, f"{line.id}: {line.query}")


def read_queries(path: Path) -> list[QueryLine]:
    """Read a ``--queries`` file, ``-`` for standard input; blank lines are passed over.

    Raises:
        InvalidQueryFile: The file cannot be read, or a line is not usable; the message names the line.
    """
    return [_query_line(f"{path}:{number}", text) for number, text in _lines(path) if text.strip()]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidQueryFile(
            f"{path} cannot be read: {error.strerror or error}", advice="Pass a file with one JSON object a line"
        ) from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidQueryFile(
                f"{path}:{number} is not UTF-8 (byte {error.start})", advice="Save the file as UTF-8"
            ) from error


def _query_line(place: str, text: str) -> QueryLine:
    advice = 'A line is an object like {"id": "1", "query": "…", "repo": "…", "ref": "…", "k": 20}'
    if len(text) > MAX_LINE_CHARS:
        raise InvalidQueryFile(f"{place} is longer than {MAX_LINE_CHARS:,} characters", advice=advice)
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidQueryFile(f"{place} is not JSON: {error}", advice=advice) from error
    if not isinstance(value, dict):
        raise InvalidQueryFile(f"{place} is not an object", advice=advice)
    wrong = _wrong(value)
    if wrong:
        raise InvalidQueryFile(f"{place}: {wrong}", advice=advice)
    return QueryLine(
        id=value["id"],
        query=value["query"],
        repo=value.get("repo") or "",
        ref=value.get("ref") or "",
        k=value.get("k") or 0,
        place=place,
    )


def _wrong(value: dict[str, Any]) -> str:
    """Say what is wrong with a line, empty when nothing is."""
    problems: list[str] = [f'"{name}" is missing' for name in ("id", "query") if name not in value]
    # A file of queries may carry more, such as what is expected; only what looks like a slip of the pen is refused.
    problems += [
        f'"{unknown}" is no field of a query; did you mean "{meant[0]}"?'
        for unknown in sorted(set(value) - _FIELDS)
        if (meant := get_close_matches(unknown, _FIELDS - set(value), n=1, cutoff=0.8))
    ]
    if "id" in value and (isinstance(value["id"], bool) or not isinstance(value["id"], str | int)):
        problems.append('"id" is neither a string nor a whole number')
    if "query" in value and not isinstance(value["query"], str):
        problems.append('"query" is not a string')
    problems += [f'"{name}" is not a string' for name in ("repo", "ref") if not isinstance(value.get(name) or "", str)]
    k = value.get("k")
    if k is not None and (isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_K):
        problems.append(f'"k" is not a whole number from 1 to {MAX_K}')
    return problems[0] if problems else ""


def _check_repositories(index: Index, lines: list[QueryLine]) -> None:
    """Fail before the first answer when a line names what is not indexed."""
    checked: set[tuple[str, str]] = set()
    for line in lines:
        if (line.repo or line.ref) and (line.repo, line.ref) not in checked:
            checked.add((line.repo, line.ref))
            try:
                if line.repo:
                    index.commit(line.repo, line.ref)
                else:
                    _check_ref(index, line.ref)
            except UnknownRepository as error:
                raise UnknownRepository(f"{line.place}: {error.message}", advice=error.advice) from error


def _check_ref(index: Index, ref: str) -> None:
    """Fail when no repository is indexed at ``ref``: to find nothing would read as if there was nothing."""
    for repository in index.repositories():
        try:
            index.commit(repository.name, ref)
        except UnknownRepository:
            continue
        return
    raise UnknownRepository(
        f"no repository is indexed at {ref!r}",
        advice=f"`hearth status` lists what there is. Add it: hearth index REPO --ref {ref}",
    )


def _scope_of(line: QueryLine, scope: Scope) -> Scope:
    if line.repo:
        return scope.only(line.repo, line.ref)
    return Scope(scope.repositories, line.ref or scope.ref, scope.exclude)


def _brief(hit: Hit) -> dict[str, Any]:
    return {
        "repo": hit.repository,
        "path": hit.path,
        "start_line": hit.start_line,
        "end_line": hit.end_line,
        "score": round(hit.score, 6),
    }


def _print_answer(hits: list[Hit], query: str, *, as_json: bool) -> None:
    if not as_json:
        _print_people(hits, "")
        return
    full = [
        {
            **_brief(hit),
            "ref": hit.ref,
            "commit": hit.commit,
            "language": hit.language,
            "symbol": hit.symbol,
            "scope": hit.scope,
            "kind": hit.kind,
            "text": hit.text,
        }
        for hit in hits
    ]
    _print_json({"query": query, "hits": full})


def _print_people(hits: list[Hit], title: str) -> None:
    # Start-up time of every other command, and of `--json`.
    from rich.console import Console  # noqa: PLC0415  # see above
    from rich.markup import escape  # noqa: PLC0415  # as above
    from rich.syntax import Syntax  # noqa: PLC0415  # as above

    console = Console(highlight=False)
    if title:
        console.rule(escape(title), align="left")
    if not hits:
        console.print("Nothing was found.")
    for hit in hits:
        name = ".".join(part for part in (hit.scope, hit.symbol) if part)
        console.print(
            f"[bold]{escape(hit.repository)}[/]:{escape(visible_name(hit.path))}:"
            f"[cyan]{hit.start_line}-{hit.end_line}[/]  {escape(visible_name(name))}  [dim]{hit.score:.2f}[/]",
            soft_wrap=True,
        )
        shown = visible("\n".join(line.rstrip() for line in hit.text.split("\n")[:_SHOWN_LINES]))
        if console.is_terminal:
            console.print(Syntax(shown, hit.language or "text", start_line=hit.start_line, line_numbers=True))
        else:
            console.print("\n".join(f"    {line}" for line in shown.split("\n")), markup=False, soft_wrap=True)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
