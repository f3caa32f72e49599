"""Ranks the candidate lines for one cursor, from the corpus of its repository and the open files."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from indexer.corpus import Corpus
from server.engine.embedded.candidates import Candidate, Pool, gather
from server.engine.embedded.cursor import Cursor, locate
from server.engine.embedded.document import Lexicon, SegmentCache
from server.engine.embedded.features import describe
from server.engine.embedded.prefixes import common_prefixes
from server.engine.embedded.ranker import Model, Ranker
from server.engine.embedded.retrieval import Allowed

if TYPE_CHECKING:
    import numpy.typing as npt

    from server.types import CompletionRequest


_CLOSING_MARKS = 3


class CorpusSource(Protocol):
    """Where corpora come from: :class:`indexer.api.Index`."""

    def corpus(self, repository: str, ref: str = "") -> Corpus | None:
        """Return the corpus of a repository at a ref (empty: the default one), or ``None`` when there is none."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The candidates of one cursor with their features (float32[n, features]) and confidence (float64[n])."""

    cursor: Cursor
    pool: Pool
    features: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float64]
    corpus: Corpus

    def suggestions(self) -> list[Suggestion]:
        """Return the texts to insert, the most confident first."""
        found: dict[str, Suggestion] = {}
        for row in np.argsort(-self.confidence, kind="stable").tolist():
            candidate = self.pool.candidates[row]
            text = self.text_of(candidate)
            if text not in found:
                found[text] = Suggestion(text, float(self.confidence[row]), candidate)
        return list(found.values())

    def beginning(self, model: Model, least: float) -> Suggestion | None:
        """Return the longest beginning of a line that is at least that likely to be typed."""
        rows = range(len(self.pool.candidates))
        texts = [self.text_of(self.pool.candidates[row]) for row in rows]
        prefixes, features = common_prefixes(texts, self.confidence, self.features)
        if not prefixes:
            return None
        likely = model.probabilities(features)
        found = [row for row in range(len(prefixes)) if likely[row] >= least]
        if not found:
            return None
        longest = max(found, key=lambda row: (len(prefixes[row]), likely[row]))
        supporter = max(
            (row for row in rows if texts[row].startswith(prefixes[longest])), key=lambda row: self.confidence[row]
        )
        text, line = prefixes[longest], texts[supporter]
        if not any(mark.isalnum() for mark in line[len(text) :]) and len(line) - len(text) <= _CLOSING_MARKS:
            # Leaving the closing marks away would only look broken.
            text = line
        return Suggestion(text, float(likely[longest]), self.pool.candidates[supporter])

    def text_of(self, candidate: Candidate) -> str:
        """Return what a candidate inserts, its indentation included where that is not there yet."""
        if self.cursor.breaks_line:
            return self.cursor.indentation_after(candidate.levels) + candidate.text
        return candidate.text

    def origin(self, candidate: Candidate) -> str:
        """Return where a candidate was found, as ``path:line``."""
        if candidate.source == 0:
            first, segment, path = self.cursor.segment_at(candidate.place)
            index = max(0, candidate.place - first)
            begin = segment.ends.item(index) if len(segment.ids) else 0
            line = segment.text.count("\n", 0, begin) + 1
            return f"{path}:{line}"
        number = int(self.corpus.file_numbers(np.array([candidate.place]))[0])
        return f"{self.corpus.files[number].path}:{self.corpus.line_number(candidate.place)}"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text to insert, the probability that it is exactly what will be typed, and what it rests on."""

    text: str
    confidence: float
    candidate: Candidate


class Suggester:
    """Ranks candidates for one cursor at a time. Thread-safe.

    Args:
        source: Where corpora come from; ``None`` to use open files alone.
        ranker: The weights; ``None`` for equal weights, as before training.
    """

    def __init__(self, source: CorpusSource | None, ranker: Ranker | None) -> None:
        self._source = source
        self._ranker = ranker
        self._empty = Corpus.empty()
        self._lock = threading.Lock()
        self._caches: dict[int, SegmentCache] = {}
        self._allowed: dict[tuple[object, ...], Allowed] = {}

    def rank(self, request: CompletionRequest, *, fresh_line: bool = False) -> Ranked:
        """Return all candidates for the rest of the line, with their confidence, in no order.

        With ``fresh_line`` the cursor stands in column 0 and the indentation is to be proposed as well.
        """
        with self._lock:
            corpus = self._corpus(request)
            cache = self._cache(corpus)
            allowed = self._allow(request, corpus)
            cursors = [locate(request, cache, fresh_line=fresh_line)]
            if cursors[0].partial:
                cursors.append(locate(request, cache, word_is_done=True))
            pool = gather(cursors, corpus, allowed, cache.lexicon)
            features = describe(cursors[0], pool)
        if self._ranker is None:
            confidence = np.clip(features[:, 0] * 0.5 + features[:, 9] * 0.3, 0.0, 1.0).astype(np.float64)
        else:
            confidence = self._ranker.lines.probabilities(features)
        return Ranked(cursors[0], pool, features, confidence, corpus)

    def clear(self) -> None:
        """Forget what was kept between requests."""
        with self._lock:
            self._caches.clear()
            self._allowed.clear()

    def _corpus(self, request: CompletionRequest) -> Corpus:
        readable = request.scope.repositories is None or request.repository in request.scope.repositories
        if self._source is None or not request.repository or not readable:
            return self._empty
        return self._source.corpus(request.repository, request.ref) or self._empty

    def _cache(self, corpus: Corpus) -> SegmentCache:
        cache = self._caches.get(id(corpus))
        if cache is None or cache.lexicon.corpus is not corpus or cache.lexicon.full:
            if len(self._caches) >= 8:
                self._caches.clear()
            cache = self._caches[id(corpus)] = SegmentCache(Lexicon(corpus))
        return cache

    def _allow(self, request: CompletionRequest, corpus: Corpus) -> Allowed:
        excluded = frozenset(path for repository, path in request.scope.exclude if repository == request.repository)
        excluded |= {file.path for file in request.open_files}
        # A byte-identical copy elsewhere would give away what stands after the cursor.
        own = _blob(request.prefix + request.suffix)
        copies = frozenset({own}) if own in corpus.by_blob else frozenset()
        key = (id(corpus), request.path, request.language, excluded, copies)
        allowed = self._allowed.get(key)
        if allowed is None or allowed.corpus is not corpus:
            if len(self._allowed) >= 64:
                self._allowed.clear()
            allowed = self._allowed[key] = Allowed(corpus, request.path, request.language, excluded, copies)
        return allowed


def _blob(text: str) -> str:
    """Return git's object id of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
