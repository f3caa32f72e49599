"""Judges an embedder: documentation → function in packages it never saw, and questions → chunks of files."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.embedder.corpus import Corpus, Numbers
from indexer.embed import Embedder
from indexer.embed.terms import terms_of, words_of

Scores = NDArray[np.float32]
Judge = Callable[[Scores], float]

LEXICAL_WEIGHTS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""Shares of BM25 that fusion is tried with; 0 is the table alone and 1 is BM25 alone."""

_STOPWORD_LIST = (
    "a an and are as at be by do does for from has how i if in into is it its not of on or that the this to used was "
    "what when where which will with you"
)
_STOPWORDS = frozenset(_STOPWORD_LIST.split())


@dataclass(frozen=True, slots=True)
class Task:
    """Queries with the documents that answer them; ``gold[i]`` are positions in ``documents``."""

    name: str
    documents: tuple[str, ...]
    queries: tuple[str, ...]
    gold: tuple[tuple[int, ...], ...]


class LexicalBaseline:
    """BM25 over the same terms, with stop words dropped and plural and verb endings cut."""

    _K1, _B = 1.2, 0.75

    def __init__(self, documents: Sequence[str]) -> None:
        bags = [Counter(self._terms(document)) for document in documents]
        lengths = np.array([bag.total() for bag in bags], np.float32)
        norm = self._K1 * (1 - self._B + self._B * lengths / max(1.0, float(lengths.mean())))
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, bag in enumerate(bags):
            for term, count in bag.items():
                postings[term].append((number, count))
        self._count = len(documents)
        self._postings: dict[str, tuple[Numbers, Scores]] = {}
        for term, entries in postings.items():
            rows = np.array([entry[0] for entry in entries])
            tf = np.array([entry[1] for entry in entries], np.float32)
            idf = math.log(1 + (self._count - len(rows) + 0.5) / (len(rows) + 0.5))
            self._postings[term] = rows, (idf * tf * (self._K1 + 1) / (tf + norm[rows])).astype(np.float32)

    def scores(self, query: str) -> Scores:
        """Score every document: float32 of shape ``(documents,)``."""
        total = np.zeros(self._count, np.float32)
        for term in self._terms(query):
            if term in self._postings:
                rows, values = self._postings[term]
                total[rows] += values
        return total

    def _terms(self, text: str) -> list[str]:
        return [_stem(term) for word in words_of(text) for term in terms_of(word) if term not in _STOPWORDS]


def documentation_task(
    corpus: Corpus, packages: Numbers, language: str, *, queries: int = 600, pool: int = 6_000, masked: bool = False
) -> Task:
    """Ask for functions by the first sentence of their documentation, which the documents lack.

    With ``masked`` they lack their names too.
    """
    random = np.random.default_rng(7)
    languages = [number for number, name in enumerate(corpus.languages) if name in _FAMILIES.get(language, {language})]
    inside = np.flatnonzero(
        np.isin(corpus.package, packages) & np.isin(corpus.language, languages) & (corpus.code.lengths >= 8)
    )
    sentences = [" ".join(corpus.words[word] for word in _sentence(corpus, at)) for at in inside.tolist()]
    once = Counter(sentences)
    askable = [at for at, text in enumerate(sentences) if len(text.split()) >= 4 and once[text] == 1]
    asked = random.permutation(askable)[:queries]
    others = np.setdiff1d(np.arange(len(inside)), asked)
    documents = np.concatenate((asked, random.permutation(others)[: max(0, pool - len(asked))])).astype(np.int64)
    return Task(
        f"{language}{' masked' if masked else ''}",
        tuple(_document(corpus, int(inside[at]), masked) for at in documents),
        tuple(sentences[at] for at in asked),
        tuple((number,) for number in range(len(asked))),
    )


def question_task(folder: Path) -> Task:
    """Read a set of questions with gold chunks: ``codebase_chunks.json`` and ``evaluation_set.jsonl``."""
    files = json.loads((folder / "codebase_chunks.json").read_text("utf-8"))
    position: dict[tuple[str, int], int] = {}
    documents: list[str] = []
    for file in files:
        for chunk in file["chunks"]:
            position[file["original_uuid"], int(chunk["original_index"])] = len(documents)
            documents.append(chunk["content"])
    lines = (folder / "evaluation_set.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines if line]
    return Task(
        "questions",
        tuple(documents),
        tuple(case["query"] for case in cases),
        tuple(tuple(position[uuid, int(at)] for uuid, at in case["golden_chunk_uuids"]) for case in cases),
    )


def mean_reciprocal_rank(gold: Sequence[int], order: Numbers) -> float:
    """Return MRR@10 of one query."""
    for rank, document in enumerate(order[:10].tolist(), 1):
        if document in gold:
            return 1.0 / rank
    return 0.0


def pass_at(k: int) -> Callable[[Sequence[int], Numbers], float]:
    """Return the measure "share of the gold chunks among the first k"."""

    def measure(gold: Sequence[int], order: Numbers) -> float:
        return len(set(gold) & set(order[:k].tolist())) / len(gold)

    return measure


def evaluate(
    task: Task, embedder: Embedder, measures: dict[str, Callable[[Sequence[int], Numbers], float]]
) -> dict[str, dict[str, float]]:
    """Measure the table alone, BM25 alone and their weighted sums.

    Scores are fused as ``w · bm25 / max + (1 - w) · cosine, scaled to 0..1 over the query's documents``.

    Returns:
        Measure → (share of BM25 → mean over the queries).
    """
    documents = embedder.embed_chunks(task.documents)
    lexical = LexicalBaseline(task.documents)
    totals: dict[str, dict[str, float]] = {name: defaultdict(float) for name in measures}
    for query, gold in zip(task.queries, task.gold, strict=True):
        dense = documents @ embedder.embed_query(query)
        dense = (dense - dense.min()) / max(float(np.ptp(dense)), 1e-6)
        words = lexical.scores(query)
        words = words / max(float(words.max()), 1e-6)
        for weight in LEXICAL_WEIGHTS:
            order = np.argsort(-(weight * words + (1 - weight) * dense), kind="stable")
            for name, measure in measures.items():
                totals[name][f"{weight:g}"] += measure(gold, order) / len(task.queries)
    return {name: {weight: round(value, 4) for weight, value in row.items()} for name, row in totals.items()}


_FAMILIES = {"javascript": {"javascript", "typescript", "tsx"}}


def _sentence(corpus: Corpus, definition: int) -> list[int]:
    return [int(word) for word in corpus.documentation[definition][: corpus.sentence[definition]]]


def _document(corpus: Corpus, definition: int, masked: bool) -> str:
    code = [corpus.words[word] for word in corpus.code[definition]]
    name = corpus.words[corpus.name[definition]]
    if masked:
        return " ".join(word for word in code if word.lower() != name.lower())
    return " ".join((name, *(corpus.words[word] for word in corpus.scope[definition]), *code))


def _stem(term: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if len(term) > len(ending) + 3 and term.endswith(ending):
            return term[: -len(ending)] + ("y" if ending == "ies" else "")
    return term.removesuffix("e") if len(term) > 4 else term
