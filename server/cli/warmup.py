"""Does once in the background what the first completion would otherwise wait for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from indexer.api import Index, detect_language
from indexer.errors import IndexerError
from indexer.types import Scope
from server.cli.assembly import Program
from server.types import CompletionRequest

_log = logging.getLogger(__name__)

_MOST_CHARACTERS = 100_000
_NOT_CODE = frozenset({"text", "markdown", "restructuredtext", "asciidoc", "json", "yaml", "toml", "xml", "html"})


def warm_up(program: Program, folders: Iterable[Path]) -> int:
    """Complete once in each repository of the workspace and drop the answer; asks no model server.

    That reads the parts of the index that completions need, and makes the parser of the repository's language. Takes
    about a tenth of a second for each; call it in a thread. Returns how many repositories that were.
    """
    index = program.index
    if index is None:
        return 0
    warmed = 0
    try:
        located = (index.locate(folder / "x") for folder in folders)
        for repository in dict.fromkeys(found[0] for found in located if found is not None):
            request = _typical_request(index, repository)
            if request is None:
                continue
            program.gatherer.gather(request, deadline_ms=0, session="warm-up")
            if program.embedded is not None:
                program.embedded.suggest(request)
            warmed += 1
    except IndexerError as error:
        # Whoever completes next meets it again, and says it where it can be seen.
        _log.info("the index was not read ahead: %s", error)
    return warmed


def _typical_request(index: Index, repository: str) -> CompletionRequest | None:
    """Put the cursor into the middle of a file of the repository's main language."""
    by_ending: dict[str, list[str]] = {}
    for path in index.paths(repository, ""):
        by_ending.setdefault(PurePosixPath(path).suffix, []).append(path)
    code = [paths for ending, paths in by_ending.items() if detect_language(f"x{ending}") not in _NOT_CODE]
    if not code:
        return None
    paths = max(code, key=len)
    path = paths[len(paths) // 2]
    text = (index.file_text(repository, "", path) or "")[:_MOST_CHARACTERS]
    line_start = text.rfind("\n", 0, len(text) // 2) + 1
    cursor = line_start + len(text[line_start:].partition("\n")[0]) // 2
    return CompletionRequest(
        path=path,
        repository=repository,
        language=detect_language(path),
        prefix=text[:cursor],
        suffix=text[cursor:],
        scope=Scope(exclude=frozenset({(repository, path)})),
    )
