"""Hybrid search: words and vectors find candidates, one weighted score orders them.

Scores are fused, not ranks: a share of BM25 and a share of the cosine, each scaled to 0..1 within the answer. On top of
that come small additions for what neither sees: words of the path, names that the query spells out, places that the
asker imports. Weights were tuned with ``benchmarks/retrieval``.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.api.analysis import Intent, QueryAnalysis, analyse
from indexer.api.path_words import path_affinity
from indexer.api.snapshot import ShownChunks, Snapshot
from indexer.errors import EmbedderAway, EmbedderError
from indexer.store.catalog import ChunkRecord, RefRecord
from indexer.store.lexical import FieldWeights
from indexer.tokens import identifier_terms
from indexer.types import Hit, Scope

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """How the parts of a score are weighed against each other; words (BM25) are the measure with a weight of 0.7.

    Attributes:
        words: Share of BM25.
        dense: Share of the cosine.
        path: Added for a path that has the query's words.
        file: Added for a chunk whose file has other good chunks.
        symbol: Added when the chunk defines a name that the query spells out.
        definition: The same when the query asks where something is defined.
        function: Added for functions and methods.
        imported: Added for a chunk of ``boost_paths``.
        test: Taken from files of tests when the query does not speak of tests.
        prose: Taken from documents when the query does not speak of documentation.
        crowding: Taken from a chunk for each better chunk of the same file.
        names: Weight of the field of names in BM25.
        depth: Candidates from each side.
    """

    words: float = 0.7
    dense: float = 0.2
    path: float = 0.2
    file: float = 0.25
    symbol: float = 0.15
    definition: float = 0.3
    function: float = 0.05
    imported: float = 0.4
    test: float = 0.12
    prose: float = 0.1
    crowding: float = 0.005
    names: float = 0.5
    depth: int = 200


WEIGHTS = {
    Intent.QUESTION: RankingWeights(),
    # What resembles a description most is often a document that tells of the code; the code is what is looked for.
    Intent.DESCRIPTION: RankingWeights(dense=0.45, function=0.15, prose=0.35),
    Intent.CHANGE: RankingWeights(
        dense=0.1, path=0.35, file=0.0, symbol=0.2, function=0.0, test=0.03, prose=0.08, crowding=0.09, names=0.3
    ),
}
_log = logging.getLogger(__name__)

_DEFINITIONS = 50
"""Definitions of one name that are looked at; a name with more says little."""
_CALLABLE = frozenset({"function", "method"})
_TEST_WORDS = frozenset({"test", "spec", "fixtur", "mock", "assert"})
_PROSE_WORDS = frozenset({"doc", "document", "readm", "guid", "tutori", "manual", "changelog"})
_PROSE = frozenset({"markdown", "restructuredtext", "asciidoc", "text"})


def search(
    snapshot: Snapshot,
    query: str,
    scope: Scope,
    k: int,
    *,
    boost_paths: Collection[str] = (),
    weights: RankingWeights | None = None,
) -> list[Hit]:
    """Return the ``k`` best chunks for ``query`` among what ``scope`` may see, best first; see ``Index.search``."""
    analysis = analyse(query)
    weights = weights or WEIGHTS[analysis.intent]
    refs = snapshot.select(scope)
    if k < 1 or not refs or not analysis.text.strip():
        return []
    allowed = snapshot.chunks(refs, scope.exclude)
    if not len(allowed):
        return []
    candidates = _candidates(snapshot, analysis, refs, allowed, weights=weights, k=k)
    ranked = _ordered(
        snapshot, candidates, analysis, refs, scope=scope, boost_paths=frozenset(boost_paths), weights=weights
    )
    return _distinct(snapshot, ranked, refs, k)


def references(snapshot: Snapshot, name: str, scope: Scope, limit: int) -> list[Hit]:
    """Return chunks whose text uses the identifier ``name``, spelled exactly so, and that do not define it."""
    terms = identifier_terms(name)
    refs = snapshot.select(scope)
    if not terms or not refs or snapshot.lexical is None or limit < 1:
        return []
    allowed = snapshot.chunks(refs, scope.exclude)
    ids, scores = _lexical(snapshot, {terms[-1]: 1.0}, refs, allowed, wanted=limit * 8, fields=FieldWeights(1.0, 0.0))
    found: list[_Ranked] = []
    defined = _Defined.of(snapshot, refs, (name,))
    by_id = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    for record in _records(snapshot, refs, ids.tolist(), scope):
        if not defined.within(record) and _uses(snapshot, record, name):
            score = by_id[record.chunk_id]
            found.append(_Ranked(record, score, score, 0.0))
    found.sort(key=lambda item: (-item.score, item.record.path, item.record.start_line))
    return _distinct(snapshot, found, refs, limit)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Chunks with their parts of the score, each scaled to 0..1: ids int64[n], lexical and dense float32[n]."""

    ids: Ids
    lexical: Scores
    dense: Scores


@dataclass(frozen=True, slots=True)
class _Ranked:
    record: ChunkRecord
    score: float
    lexical: float
    dense: float


def _candidates(
    snapshot: Snapshot,
    analysis: QueryAnalysis,
    refs: Sequence[RefRecord],
    allowed: ShownChunks,
    *,
    weights: RankingWeights,
    k: int,
) -> _Candidates:
    depth = max(weights.depth, 4 * k)
    lexical_ids, lexical = _lexical(
        snapshot, analysis.terms, refs, allowed, wanted=depth, fields=FieldWeights(1.0, weights.names)
    )
    vectors = snapshot.vectors
    dense_ids, dense = np.empty(0, np.int64), np.empty(0, np.float32)
    query = _query_vector(snapshot, analysis.text) if vectors is not None else None
    if vectors is not None and query is not None and weights.dense > 0:
        selection = vectors.select(allowed.ids)
        if len(allowed.hidden):
            selection = vectors.without(selection, allowed.hidden)
        dense_ids, dense = vectors.search(query, selection, depth)
    ids = np.union1d(lexical_ids, dense_ids)
    words, meaning = np.zeros(len(ids), np.float32), np.zeros(len(ids), np.float32)
    if len(lexical_ids):
        words[np.searchsorted(ids, lexical_ids)] = lexical / max(float(lexical[0]), 1e-9)
    if vectors is not None and query is not None and len(dense_ids):
        cosine = vectors.scores(query, ids)
        low = float(dense[-1]) if len(dense_ids) >= depth else 0.0
        meaning = np.clip((cosine - low) / max(float(dense[0]) - low, 1e-9), 0.0, 1.0).astype(np.float32)
    return _Candidates(ids, words, meaning)


def _query_vector(snapshot: Snapshot, text: str) -> Scores | None:
    """Embed a query; None, said in the log, when the server that embeds is away: words alone then have to do."""
    try:
        query = snapshot.embedder.embed_query(text)
    except EmbedderError as error:
        # Every search while it is away would otherwise say so again.
        level = logging.DEBUG if isinstance(error, EmbedderAway) else logging.WARNING
        _log.log(level, "searching by words alone: %s", error)
        return None
    if snapshot.vectors is not None and snapshot.vectors.dimensions not in {0, len(query)}:
        # The repositories are being indexed with another model, and what is published is still the old one's.
        return None
    return query


def _lexical(
    snapshot: Snapshot,
    terms: dict[str, float],
    refs: Sequence[RefRecord],
    allowed: ShownChunks,
    *,
    wanted: int,
    fields: FieldWeights,
) -> tuple[Ids, Scores]:
    """Ask for more until ``wanted`` chunks that the refs show are among the answer, or there are no more."""
    if snapshot.lexical is None:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    repositories = [ref.repository_id for ref in refs]
    limit = wanted + min(len(allowed.hidden), wanted)
    while True:
        ids, scores = snapshot.lexical.search(terms, repositories, limit, weights=fields)
        shown = allowed.has(ids)
        if int(shown.sum()) >= wanted or len(ids) < limit:
            return ids[shown][:wanted], scores[shown][:wanted]
        limit *= 4


def _ordered(
    snapshot: Snapshot,
    candidates: _Candidates,
    analysis: QueryAnalysis,
    refs: Sequence[RefRecord],
    *,
    scope: Scope,
    boost_paths: frozenset[str],
    weights: RankingWeights,
) -> Iterator[_Ranked]:
    """Yield the candidates best first."""
    records = _records(snapshot, refs, candidates.ids.tolist(), scope)
    if not records:
        return iter(())
    rows = np.searchsorted(candidates.ids, [record.chunk_id for record in records])
    words, meaning = candidates.lexical[rows], candidates.dense[rows]
    files: dict[tuple[int, str], int] = {}
    file_of = np.array([files.setdefault((record.ref_id, record.path), len(files)) for record in records])
    paths = [path for _, path in files]
    affinity = path_affinity(paths, analysis)
    of_file = np.array([weights.path * affinity[path] + weights.imported * (path in boost_paths) for path in paths])
    if not analysis.words & _TEST_WORDS:
        of_file -= weights.test * np.array([is_test_path(path) for path in paths])
    scores = weights.words * words + weights.dense * meaning + of_file[file_of]
    scores += weights.file * _support(words, file_of, len(files))[file_of]
    scores += weights.function * np.array([record.kind in _CALLABLE for record in records])
    if not analysis.words & _PROSE_WORDS:
        scores -= weights.prose * np.array([record.language in _PROSE for record in records])
    defined = _Defined.of(snapshot, refs, analysis.names)
    if defined:
        bonus = weights.definition if analysis.wants_definition else weights.symbol
        scores += bonus * np.array([defined.within(record) for record in records])
    # Equal scores are put in the order of their places, so that an answer is the same every time.
    places = sorted(range(len(records)), key=lambda row: (records[row].path, records[row].start_line))
    tie = np.empty(len(records), np.int64)
    tie[places] = np.arange(len(records))
    scores -= weights.crowding * _rank_in_file(scores, tie, file_of)
    order = np.lexsort((tie, -scores)).tolist()
    return (_Ranked(records[row], float(scores[row]), float(words[row]), float(meaning[row])) for row in order)


def _support(words: Scores, file_of: Ids, files: int) -> npt.NDArray[np.float64]:
    """Return for each file the sum of its three best shares of words, as a share of the best file's."""
    best_three = _rank_in_file(words, np.arange(len(words)), file_of) < 3
    sums = np.bincount(file_of, weights=words * best_three, minlength=files)
    share: npt.NDArray[np.float64] = sums / max(float(sums.max(initial=0.0)), 1e-9)
    return share


def _rank_in_file(scores: npt.NDArray[np.floating], tie: Ids, file_of: Ids) -> Ids:
    """Return for each row how many rows of the same file score better; equal ones count in the order of ``tie``."""
    order = np.lexsort((tie, -scores, file_of))
    grouped = file_of[order]
    first = np.concatenate(([True], grouped[1:] != grouped[:-1]))
    starts = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - starts
    return ranks


class _Defined:
    """Where names are defined: by ref and path, the lines."""

    def __init__(self, lines: dict[tuple[int, str], list[int]]) -> None:
        self._lines = lines

    @classmethod
    def of(cls, snapshot: Snapshot, refs: Sequence[RefRecord], names: Collection[str]) -> _Defined:
        lines: dict[tuple[int, str], list[int]] = defaultdict(list)
        if names:
            by_name = {(ref.repository, ref.ref): ref.ref_id for ref in refs}
            for hit in snapshot.catalog.definitions(refs, names, _DEFINITIONS):
                lines[by_name[hit.repository, hit.ref], hit.path].append(hit.symbol.start_line)
        return cls(lines)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def within(self, record: ChunkRecord) -> bool:
        """Whether one of the names is defined in the lines of a chunk."""
        found = self._lines.get((record.ref_id, record.path), ())
        return any(record.start_line <= line <= record.end_line for line in found)


@functools.lru_cache(maxsize=100_000)
def is_test_path(path: str) -> bool:
    """Whether a path follows one of the usual conventions for tests."""
    lowered = f"/{path.lower()}"
    name = lowered.rpartition("/")[2]
    return (
        any(part in lowered for part in ("/test/", "/tests/", "/testing/", "/__tests__/", "/spec/", "/testdata/"))
        or name.startswith("test_")
        or any(mark in name for mark in ("_test.", ".test.", ".spec.", "_spec.", "tests."))
        or name.endswith(("test.java", "test.kt", "tests.cs", "test.cpp", "test.php"))
    )


def _records(snapshot: Snapshot, refs: Sequence[RefRecord], ids: Sequence[int], scope: Scope) -> list[ChunkRecord]:
    by_id = {ref.ref_id: ref for ref in refs}
    return [
        record
        for record in snapshot.published.records(refs, ids)
        if (by_id[record.ref_id].repository, record.path) not in scope.exclude
    ]


def _distinct(snapshot: Snapshot, ranked: Iterable[_Ranked], refs: Sequence[RefRecord], k: int) -> list[Hit]:
    """Take the best ``k``, each text once: copies of a file, forks and vendored code would fill the answer."""
    by_id = {ref.ref_id: ref for ref in refs}
    hits: list[Hit] = []
    seen: set[bytes] = set()
    for item in ranked:
        record = item.record
        text = snapshot.catalog.lines(record.blob_id, record.start_line, record.end_line)
        key = hashlib.blake2b("".join(text.split()).encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if key in seen:
            continue
        seen.add(key)
        ref = by_id[record.ref_id]
        hits.append(
            Hit(
                repository=ref.repository,
                ref=ref.ref,
                commit=record.commit,
                path=record.path,
                language=record.language,
                start_line=record.start_line,
                end_line=record.end_line,
                symbol=record.symbol,
                scope=record.scope,
                kind=record.kind,
                text=text,
                score=item.score,
                lexical=item.lexical,
                dense=item.dense,
            )
        )
        if len(hits) == k:
            break
    return hits


def _uses(snapshot: Snapshot, record: ChunkRecord, name: str) -> bool:
    text = snapshot.catalog.lines(record.blob_id, record.start_line, record.end_line)
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (before.isalnum() or before == "_") and not (after.isalnum() or after == "_"):
            return True
        start = text.find(name, end)
    return False
