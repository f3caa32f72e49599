"""One blob to chunks and symbols: a pure function that never fails for what a file holds."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from indexer.chunk import chunk_text
from indexer.config import IndexConfig
from indexer.parse import decode, detect_language, skip_content
from indexer.secrets import blank, find_secrets, mostly_secret
from indexer.store.blobs import ALLOWED_MARK, NewSecret
from indexer.types import ParsedFile, SkipReason

_HEAD_BYTES = 4096
_PLAIN = "text"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadBlob:
    """A blob as read: ``parsed`` with its ``text``, or the ``reason`` to leave it out; ``warning`` if syntax failed.

    ``text`` has no secrets any more, but those that are allowed; ``secrets`` says where both were.
    """

    parsed: ParsedFile | None = None
    text: str = ""
    reason: SkipReason | None = None
    detail: str = ""
    warning: str = ""
    secrets: tuple[NewSecret, ...] = ()


def blob_hint(path: str, allowed: str = "") -> str:
    """Return what the path alone says about a blob: with the content, the key of all processing.

    That is its language, and what ``allowed`` names of secrets. Headers are a language of their own, because their
    content decides between C and C++.
    """
    language = "header" if path.lower().endswith(".h") else detect_language(path)
    return f"{language}{ALLOWED_MARK}{allowed}" if allowed else language


def read_blob(data: bytes, path: str, config: IndexConfig, allowed: AbstractSet[str] = frozenset()) -> ReadBlob:
    """Read one blob that stands at ``path``. A parser that fails costs the syntax, not the file.

    ``allowed`` are the rules whose findings are no secrets there.
    """
    skip = skip_content(data, config)
    if skip is not None:
        return ReadBlob(reason=skip.reason, detail=skip.detail)
    text = decode(data)
    if text is None:
        return ReadBlob(reason=SkipReason.UNDECODABLE, detail="no encoding fits")
    language = detect_language(path, data[:_HEAD_BYTES])
    # Before anything is made of the text: chunks, symbols, words, vectors and the corpus all come from it.
    findings = find_secrets(text, allowed) if config.secrets else ()
    secrets = tuple(
        NewSecret(text.count("\n", 0, finding.start) + 1, finding.rule, finding.allowed) for finding in findings
    )
    if mostly_secret(text, findings):
        rule = next(finding.rule for finding in findings if not finding.allowed)
        return ReadBlob(reason=SkipReason.SECRET, detail=f"nothing but a secret ({rule})", secrets=secrets)
    text = blank(text, findings)
    try:
        return ReadBlob(chunk_text(text, language), text, secrets=secrets)
    except Exception as error:  # noqa: BLE001 -- whatever one file does to a parser, the others are indexed
        _log.warning("cannot parse %s as %s", path, language, exc_info=True)
        plain = chunk_text(text, _PLAIN)
        warning = f"{path} was indexed without its syntax: {type(error).__name__}: {error}"
        return ReadBlob(ParsedFile(language, plain.chunks), text, warning=warning, secrets=secrets)


@cache
def processing_revision() -> str:
    """Name the code that turns a blob into chunks, symbols and words.

    Derived from the sources of those packages and the versions of the grammars, so that it cannot be forgotten: after
    an upgrade that changes them, blobs are processed again.
    """
    top = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=8)
    sources = [top / "tokens.py", top / "store" / "lexical.py"]
    for package in ("parse", "secrets", "chunk"):
        sources += sorted(path for path in (top / package).rglob("*") if path.suffix in {".py", ".scm", ".toml"})
    for path in sources:
        digest.update(path.read_bytes())
    grammars = sorted(
        f"{distribution.name} {distribution.version}"
        for distribution in importlib.metadata.distributions()
        if distribution.name and distribution.name.startswith("tree-sitter")
    )
    digest.update("\n".join(grammars).encode())
    return digest.hexdigest()
