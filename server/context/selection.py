"""From candidates to snippets: fused, deduplicated, within the budget, and as stable as the cursor's surroundings.

Snippets stand in front of the file in the prompt, so each change of them makes the model read the whole file anew. An
earlier choice therefore stays as it is, and only what explains a name that it does not explain is added, behind it. It
is made anew when half of it has become irrelevant, or when there is no more room behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from server.config import ContextConfig
from server.context.candidates import Candidate
from server.context.values import Dropped
from server.types import Snippet, SnippetReason

CHARACTERS_PER_TOKEN = 3
"""Code has 3 to 4 characters a token; the prompt counts exactly, here it only must not be too many."""
WEAK = 0.08
_KEEPING = 1.3
"""A newcomer must be this much better than a snippet that was chosen before, so that the prompt's front stays."""
_FADING = 0.6
"""What remains of the score of an earlier snippet that no source brought up again."""
_EXPLAINS = frozenset({SnippetReason.IMPORTED, SnippetReason.DEFINITION})
_MATTERS = 0.4
"""Score from which an explanation is worth a change of the prompt."""
_RESERVE = 0.25
"""Share of the room that only such explanations may take, so that later ones find some."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Chosen snippets in prompt order, and what was left out, best first."""

    snippets: tuple[Snippet, ...]
    dropped: tuple[Dropped, ...]


def select(candidates: Iterable[Candidate], config: ContextConfig, previous: Sequence[Snippet] = ()) -> Selection:
    """Choose among ``candidates``.

    Pieces that overlap become one, whose score grows with every source that found it. ``previous`` is the last choice
    for this document, already checked to be readable still. When the choice is made anew, its snippets are preferred
    while they remain relevant and keep their order; new ones follow by repository, path and line.
    """
    found = _fuse(candidates)
    best = _best(_with_previous(found, previous), config, previous)
    kept = _kept(previous, found, best.snippets, config)
    if kept is None:
        return best
    places = {_place(snippet) for snippet in kept}
    left_out = [_dropped(snippet, "kept back") for snippet in best.snippets if _place(snippet) not in places]
    return Selection(kept, (*left_out, *(item for item in best.dropped if _place(item) not in places)))


def _kept(
    previous: Sequence[Snippet], found: Sequence[Snippet], best: Sequence[Snippet], config: ContextConfig
) -> tuple[Snippet, ...] | None:
    """Return the earlier choice with what newly matters behind it; ``None`` when the choice is to be made anew."""
    relevant = sum(any(_overlap(earlier, snippet) for snippet in found) for earlier in previous)
    if not previous or 2 * relevant < len(previous):
        return None
    known = {_place(snippet) for snippet in previous}
    new = [snippet for snippet in best if _place(snippet) not in known and _matters(snippet)]
    kept = (*previous, *new)
    per_file = Counter((snippet.repository, snippet.path) for snippet in kept)
    fits = (
        len(kept) <= config.max_snippets
        and sum(len(snippet.text) for snippet in kept) <= config.tokens * CHARACTERS_PER_TOKEN
        and max(per_file.values()) <= config.per_file
    )
    return kept if fits else None


def _matters(snippet: Snippet) -> bool:
    return snippet.reason in _EXPLAINS and snippet.score >= _MATTERS


def _best(fused: list[Snippet], config: ContextConfig, previous: Sequence[Snippet]) -> Selection:
    """Choose by score, without regard to how much of the prompt changes."""
    known = {_place(snippet) for snippet in previous}
    fused.sort(key=lambda item: (-item.score * (_KEEPING if _place(item) in known else 1.0), _place(item)))
    room = config.tokens * CHARACTERS_PER_TOKEN
    reserve = room * _RESERVE
    chosen: list[Snippet] = []
    dropped: list[Dropped] = []
    per_file: defaultdict[tuple[str, str], int] = defaultdict(int)
    texts: set[str] = set()
    for snippet in fused:
        normal = " ".join(snippet.text.split())
        reason = ""
        if snippet.score < WEAK or not normal:
            reason = "weak"
        elif normal in texts:
            reason = "duplicate"
        elif per_file[snippet.repository, snippet.path] >= config.per_file:
            reason = "per-file limit"
        elif len(chosen) >= config.max_snippets or len(snippet.text) > room - (not _matters(snippet)) * reserve:
            reason = "budget"
        if reason:
            dropped.append(_dropped(snippet, reason))
            continue
        chosen.append(snippet)
        texts.add(normal)
        per_file[snippet.repository, snippet.path] += 1
        room -= len(snippet.text)
    return Selection(_in_order(chosen, previous), tuple(dropped))


def _fuse(candidates: Iterable[Candidate]) -> list[Snippet]:
    files: defaultdict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        files[candidate.repository, candidate.path].append(candidate)
    fused: list[Snippet] = []
    for pieces in files.values():
        pieces.sort(key=lambda piece: (-piece.weight, piece.start_line, piece.end_line))
        groups: list[list[Candidate]] = []
        for piece in pieces:
            for group in groups:
                if _overlap(group[0], piece):
                    group.append(piece)
                    break
            else:
                groups.append([piece])
        for group in groups:
            score = group[0].weight + sum(piece.weight * 0.5**rank for rank, piece in enumerate(group[1:], 1))
            fused.append(group[0].snippet(min(score, 2.0)))
    return fused


def _overlap(one: Candidate | Snippet, other: Candidate | Snippet) -> bool:
    same_file = (one.repository, one.path) == (other.repository, other.path)
    return same_file and one.start_line <= other.end_line and other.start_line <= one.end_line


def _with_previous(fused: list[Snippet], previous: Sequence[Snippet]) -> list[Snippet]:
    """Let earlier snippets stand for new ones of the same place, and fade those that nothing brought up again."""
    result = list(fused)
    for earlier in previous:
        same = next(
            (position for position, snippet in enumerate(result) if _overlap(snippet, earlier)),
            None,
        )
        if same is None:
            result.append(replace(earlier, score=earlier.score * _FADING))
        elif earlier.commit and result[same].commit == earlier.commit:
            result[same] = replace(earlier, score=result[same].score, reason=result[same].reason)
    return result


def _in_order(chosen: Sequence[Snippet], previous: Sequence[Snippet]) -> tuple[Snippet, ...]:
    position = {_place(snippet): number for number, snippet in enumerate(previous)}
    return tuple(sorted(chosen, key=lambda snippet: (position.get(_place(snippet), len(position)), _place(snippet))))


def _dropped(snippet: Snippet, reason: str) -> Dropped:
    return Dropped(snippet.repository, snippet.path, reason, snippet.start_line, snippet.end_line, snippet.score)


def _place(snippet: Snippet | Dropped) -> tuple[str, str, int, int]:
    return (snippet.repository, snippet.path, snippet.start_line, snippet.end_line)
