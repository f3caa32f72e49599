"""What clients may ask besides completions and explanations, as JSON values.

Every protocol answers from here, so that permissions are applied in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from indexer.api import Index
from indexer.types import Hit, RepositoryStatus, Scope
from server import tracing
from server.completion import SuggestionRecord
from server.correlation import REQUEST_ID
from server.engine.ladder import Ladder
from server.prompt import ModelPrompts
from server.types import Rung

MAX_QUERY = 2_000
MAX_HITS = 100


def search(
    index: Index | None, readable: frozenset[str] | None, query: str, *, repository: str = "", limit: int = 10
) -> list[Hit]:
    """Find code in what may be read. Blocks: call it off the event loop.

    Args:
        index: Where to look; nothing is found without one.
        readable: What may be read, as :class:`server.principal.Principal` says it.
        query: Words, a sentence or code; what is beyond 2,000 characters is left out.
        repository: Look in this one only.
        limit: How many hits, from 1 to 100.

    Raises:
        indexer.errors.IndexCorrupt: Stored files are damaged.
    """
    if index is None:
        return []
    scope = Scope(readable)
    trace = tracing.begin("search", REQUEST_ID.get())
    try:
        return index.search(
            query[:MAX_QUERY], scope.only(repository) if repository else scope, max(1, min(limit, MAX_HITS))
        )
    finally:
        if trace is not None:
            trace.end()


def hit_value(hit: Hit) -> dict[str, Any]:
    """Describe one hit."""
    return {
        "repository": hit.repository,
        "path": hit.path,
        "startLine": hit.start_line,
        "endLine": hit.end_line,
        "commit": hit.commit,
        "symbol": hit.symbol,
        "language": hit.language,
        "score": round(hit.score, 6),
        "text": hit.text,
    }


def repositories(index: Index | None, readable: frozenset[str] | None) -> list[RepositoryStatus]:
    """Return the state of what may be read. Blocks: call it off the event loop.

    Raises:
        indexer.errors.IndexCorrupt: Stored files are damaged.
    """
    known = index.repositories() if index is not None else []
    return [status for status in known if readable is None or status.name in readable]


def repository_values(statuses: Iterable[RepositoryStatus]) -> list[dict[str, Any]]:
    """Describe every indexed ref."""
    return [
        {
            "name": repository.name,
            "ref": ref.ref,
            "commit": ref.commit,
            "state": ref.state.value,
            "files": ref.files,
            "chunks": ref.chunks,
            "behind": ref.behind if ref.behind >= 0 else None,
        }
        for repository in statuses
        for ref in repository.refs
    ]


def engine_value(ladder: Ladder, model: str, prompts: ModelPrompts | None) -> dict[str, str]:
    """Describe which engine answers. ``model`` is the one of the model server, and ``prompts`` what writes for it."""
    asked = ladder.rung is Rung.VLLM
    return {
        "rung": ladder.rung.value,
        "detail": ladder.detail,
        "model": model if asked else "",
        "tokens": prompts.token_count(model).value if asked and model and prompts is not None else "",
    }


def why_value(record: SuggestionRecord, readable: frozenset[str] | None) -> dict[str, Any]:
    """Describe what a suggestion was made of, as far as that may still be read."""
    making = record.making

    def shown(repository: str) -> bool:
        return readable is None or not repository or repository in readable

    return {
        "requestId": making.request_id,
        "engine": making.engine,
        "model": making.model,
        "source": making.source,
        "confidence": round(making.confidence, 4) if making.confidence >= 0 else None,
        "reuse": record.reuse.value,
        "snippets": [
            {
                "repository": snippet.repository,
                "path": snippet.path,
                "commit": snippet.commit,
                "startLine": snippet.start_line,
                "endLine": snippet.end_line,
                "score": round(snippet.score, 4),
                "reason": snippet.reason.value,
            }
            for snippet in making.snippets
            if shown(snippet.repository)
        ],
        "dropped": [
            {"repository": item.repository, "path": item.path, "reason": item.reason}
            for item in making.dropped
            if shown(item.repository)
        ],
        "stages": making.stages | record.stages,
    }
