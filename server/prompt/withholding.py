"""Takes secrets out of what a model server is asked, before anything is written of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from indexer.api import Allowances, blank, find_secrets
from server.prompt.metrics import SECRETS_ALLOWED, SECRETS_WITHHELD
from server.types import CompletionRequest, ExplainRequest, Fact, Snippet

_DOCUMENTS_REMEMBERED = 64
_TEXTS_REMEMBERED = 256
_STEP = 4096
_LONGEST_KEY = 8192
"""Characters before the part of a document that is looked at in which a private key may have begun."""
_KEYS = ("PRIVATE KEY", "Private-Lines:")
"""What is at the beginning of secrets of several lines."""
_QUICK_CHARACTERS = 4096
"""So much new text is looked at in about a millisecond."""
_NOTHING: frozenset[str] = frozenset()
_NEIGHBOURS = 2
"""Lines above and below the cursor's that are looked at with it: a name and its value may stand on two lines."""


@dataclass(frozen=True, slots=True)
class _Clean:
    """A text, the same without its secrets, the rules that found them, and those that found what is allowed."""

    text: str
    blanked: str
    rules: tuple[str, ...]
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Around:
    """A cursor's line, where it starts, and the lines around it, from where a prompt can show them on."""

    far: int
    line_start: int
    above: str
    line: str
    below: str


class Withholding:
    """Remembers what it has looked at, so that a key costs the line that it is typed into.

    Several threads may use it.

    Args:
        characters: Most characters before or after a cursor that a prompt can show.
        allowances: What is no secret where.
    """

    def __init__(self, characters: int, allowances: Allowances | None = None) -> None:
        self._characters = characters
        self._allowances = allowances or Allowances(())
        self._heads: OrderedDict[tuple[str, str, str], tuple[_Clean, str]] = OrderedDict()
        """By document what stood above the line that was looked at last, and the text that stood below."""
        self._clean = lru_cache(_TEXTS_REMEMBERED)(_without_secrets)
        # Reads the rules now, which takes longer than an event loop may be held up.
        find_secrets("")

    def completion(self, request: CompletionRequest) -> CompletionRequest | None:
        """Return the request without secrets, or None when the cursor is in one, so that nothing is to be asked.

        Lengths and lines stay. What is too far from the cursor for any prompt is left out before it and cut off after
        it.
        """
        around = self._around(request)
        far, line_start, line = around.far, around.line_start, around.line
        allowed = self._allowances.rules_at(request.repository, request.path)
        head = self._head(request, around, allowed)
        tail = self._clean(around.below, allowed)
        near = _near(head.blanked, line, tail.blanked, allowed)
        if near is None or self._inside_key(head, line, tail, allowed):
            SECRETS_WITHHELD.labels("line", "any").inc()
            return None
        above, below = near
        snippets = tuple(self._snippet(snippet, request) for snippet in request.snippets)
        _count("prefix", head)
        _count("suffix", tail)
        cursor = len(request.prefix) - line_start
        return replace(
            request,
            prefix="\n" * far + above + line[:cursor],
            suffix=line[cursor:] + below,
            snippets=snippets,
        )

    def is_quick(self, request: CompletionRequest) -> bool:
        """Whether :meth:`completion` has little to look at: little is new since it was called for the document last."""
        around = self._around(request)
        known = self._heads.get(_document(request))
        if known is None:
            return len(around.above) + len(around.below) <= _QUICK_CHARACTERS
        new = len(around.above) - len(known[0].text) if around.above.startswith(known[0].text) else len(around.above)
        return new + (0 if around.below == known[1] else len(around.below)) <= _QUICK_CHARACTERS

    def _around(self, request: CompletionRequest) -> _Around:
        line_start = request.prefix.rfind("\n") + 1
        far = max(0, line_start - self._characters - _LONGEST_KEY) // _STEP * _STEP
        # An endless line is not followed to its beginning.
        far = max(request.prefix.rfind("\n", max(0, far - _STEP), far) + 1, far - _STEP, 0) if far else 0
        line_after, newline, rest = request.suffix[: self._characters].partition("\n")
        line = request.prefix[line_start:] + line_after
        return _Around(far, line_start, request.prefix[far:line_start], line, newline + rest)

    def explanation(self, request: ExplainRequest) -> ExplainRequest:
        """Return the request without secrets."""
        allowed = self._allowances.rules_at(request.repository, request.path)
        return replace(
            request,
            text=self._counted("code", request.text, allowed),
            question=self._counted("question", request.question),
            facts=tuple(map(self._fact, request.facts)),
        )

    def _fact(self, fact: Fact) -> Fact:
        cited = fact.citation
        allowed = self._allowances.rules_at(cited.repository, cited.path) if cited else _NOTHING
        title = self._counted("fact", fact.title, allowed)
        return replace(fact, title=title, text=self._counted("fact", fact.text, allowed))

    def _head(self, request: CompletionRequest, around: _Around, allowed: frozenset[str]) -> _Clean:
        """Look at the lines above the cursor's; of a document that grew, at what is new."""
        key, text = _document(request), around.above
        known, _ = self._heads.pop(key, (None, ""))
        if (
            known is None
            or not text.startswith(known.text)
            or _begins_key(text[max(0, len(known.text) - _LONGEST_KEY) :])
        ):
            clean = _without_secrets(text, allowed)
        elif len(text) == len(known.text):
            clean = known
        else:
            seam = _lines_back(known.text, _NEIGHBOURS)
            new = _without_secrets(known.blanked[seam:] + text[len(known.text) :], allowed, len(known.text) - seam)
            clean = _Clean(
                text, known.blanked[:seam] + new.blanked, known.rules + new.rules, known.allowed + new.allowed
            )
        self._heads[key] = clean, around.below
        if len(self._heads) > _DOCUMENTS_REMEMBERED:
            self._heads.popitem(last=False)
        return clean

    def _inside_key(self, head: _Clean, line: str, tail: _Clean, allowed: frozenset[str]) -> bool:
        """Whether a key that begins above goes on in the cursor's line."""
        if not _begins_key(head.text[-_LONGEST_KEY:]):
            return False
        above, below = head.text[-_LONGEST_KEY:], tail.text[:_LONGEST_KEY]
        end = len(above) + len(line)
        return any(
            finding.start < end and finding.end > len(above) and not finding.allowed
            for finding in find_secrets(f"{above}{line}{below}", allowed)
        )

    def _snippet(self, snippet: Snippet, request: CompletionRequest) -> Snippet:
        """Return a snippet without secrets. What is indexed has none; a key may go beyond one of an open file."""
        allowed = self._allowances.rules_at(snippet.repository, snippet.path)
        if not snippet.commit:
            for text in _open_texts(snippet, request):
                lines = slice(snippet.start_line - 1, snippet.end_line)
                if _begins_key(text) and "\n".join(text.split("\n")[lines]) == snippet.text:
                    blanked = "\n".join(self._clean(text, allowed).blanked.split("\n")[lines])
                    return replace(snippet, text=self._counted("snippet", blanked, allowed))
        text = self._counted("snippet", snippet.text, allowed)
        return snippet if text == snippet.text else replace(snippet, text=text)

    def _counted(self, where: str, text: str, allowed: frozenset[str] = _NOTHING) -> str:
        clean = self._clean(text, allowed)
        _count(where, clean)
        return clean.blanked


def _document(request: CompletionRequest) -> tuple[str, str, str]:
    return request.caller.user, request.repository, request.path


def _without_secrets(text: str, allowed: frozenset[str] = _NOTHING, known: int = 0) -> _Clean:
    """Look at a text; what is allowed in its first ``known`` characters was counted before, and is shown again."""
    findings = find_secrets(text, allowed)
    return _Clean(
        text,
        blank(text, findings),
        tuple(finding.rule for finding in findings if not finding.allowed),
        tuple(finding.rule for finding in findings if finding.allowed and finding.end > known),
    )


def _begins_key(text: str) -> bool:
    return any(opening in text for opening in _KEYS)


def _near(head: str, line: str, tail: str, allowed: frozenset[str]) -> tuple[str, str] | None:
    """Look at the cursor's line with its neighbours; None when it has a part of a secret itself."""
    seam = _lines_back(head, _NEIGHBOURS)
    end = 0
    for _ in range(_NEIGHBOURS + 1):
        end = tail.find("\n", end) + 1 or len(tail)
    above, below = head[seam:], tail[:end]
    findings = find_secrets(f"{above}{line}{below}", allowed)
    start, stop = len(above), len(above) + len(line)
    if any(finding.start < stop and finding.end > start and not finding.allowed for finding in findings):
        return None
    blanked = blank(f"{above}{line}{below}", findings)
    return head[:seam] + blanked[:start], blanked[stop:] + tail[end:]


def _lines_back(text: str, count: int) -> int:
    """Return where the last ``count`` lines of a text that ends with a newline begin."""
    position = len(text)
    for _ in range(count + 1):
        position = text.rfind("\n", 0, max(0, position))
        if position < 0:
            return 0
    return position + 1


def _open_texts(snippet: Snippet, request: CompletionRequest) -> Iterator[str]:
    if snippet.path == request.path:
        yield request.prefix + request.suffix
    for file in request.open_files:
        if file.path == snippet.path:
            yield file.text


def _count(where: str, found: _Clean) -> None:
    for rule in found.rules:
        SECRETS_WITHHELD.labels(where, rule).inc()
    for rule in found.allowed:
        SECRETS_ALLOWED.labels(where, rule).inc()
