"""Makes training batches: pairs of bags of rows that belong together, drawn anew at every visit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.embedder.corpus import Corpus, Numbers, WordTerms
from indexer.embed.bags import Bags, count_rows

CLUMP = 32
"""Pairs of a batch that come from one package: counterexamples that share its vocabulary."""

_QUERY_DROPOUT = 0.15
_CODE_DROPOUT = 0.2
_MIN_SENTENCE = 3
"""Words of a documentation's first sentence from which on it says something."""
_ABOUT_DOCUMENTATION = 0.72
"""Share of the documented definitions whose pair has the documentation on a side."""
_WITHOUT_DOCUMENTATION = 0.6
"""Share of the definitions without documentation that take part in an epoch."""

QUESTIONS = (
    "what does the {} do",
    "what is the purpose of the {}",
    "how does {} work",
    "how do I {}",
    "where is the code to {}",
    "which function {}",
    "what happens in the {} method",
    "what does the {} function return",
    "how is the {} implemented",
    "explain the {} class",
    "what is the {} struct used for",
    "why is the {} needed",
    "find where we {}",
    "how are the {} created",
    "fix {}",
    "add {}",
    "what parameters does {} take",
    "show the test for {}",
)
"""Frames put around names and sentences, so that words which every question has learn to weigh little."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Where the terms of a corpus stand in a table: ``row_of`` int64 of shape ``(terms,)``."""

    row_of: Numbers
    table_rows: int


class PairSampler:
    """Draws pairs from some packages of a corpus."""

    def __init__(
        self, corpus: Corpus, terms: WordTerms, rows: TableRows, packages: Numbers, *, batch_pairs: int, seed: int
    ) -> None:
        self._corpus = corpus
        self._terms = terms
        self._rows = rows
        self._batch_pairs = batch_pairs
        self._random = np.random.default_rng(seed)
        lower: dict[str, int] = {}
        self._lower = np.array([lower.setdefault(word.lower(), len(lower)) for word in corpus.words], np.int64)
        self._number = {word: number for number, word in reversed(list(enumerate(corpus.words)))}
        self._frames = [self._frame(question) for question in QUESTIONS]
        usable = np.isin(corpus.package, packages) & (corpus.code.lengths >= 6)
        self._documented = np.flatnonzero(usable & (corpus.sentence >= _MIN_SENTENCE))
        self._bare = np.flatnonzero(usable & (corpus.sentence < _MIN_SENTENCE))
        names = np.bincount(self._lower[corpus.name], minlength=len(lower))
        self._telling_name = names[self._lower[corpus.name]] <= 30
        self._first_context = np.searchsorted(corpus.context_of, np.arange(len(corpus) + 1))

    @property
    def batches(self) -> int:
        """Batches of one epoch, about."""
        return int(len(self._documented) + _WITHOUT_DOCUMENTATION * len(self._bare)) // self._batch_pairs

    def epoch(self) -> Iterator[tuple[Bags, Bags, Numbers]]:
        """Yield batches that visit each documented definition once, in clumps of one package."""
        random = self._random
        bare = self._bare[random.random(len(self._bare)) < _WITHOUT_DOCUMENTATION]
        chosen = np.concatenate((self._documented, bare))
        # Definitions in random order within their package, then clumps in random order.
        chosen = chosen[np.lexsort((random.random(len(chosen)), self._corpus.package[chosen]))]
        clumps = np.array_split(chosen, max(1, len(chosen) // CLUMP))
        order = random.permutation(len(clumps))
        per_batch = max(1, self._batch_pairs // CLUMP)
        for start in range(0, len(order) - per_batch + 1, per_batch):
            yield self.batch(np.concatenate([clumps[at] for at in order[start : start + per_batch]]))

    def batch(self, definitions: Numbers) -> tuple[Bags, Bags, Numbers]:
        """Draw one pair for each definition."""
        pairs = [self._pair(int(definition)) for definition in definitions]
        left = self.bags([pair[0] for pair in pairs], _QUERY_DROPOUT)
        right = self.bags([pair[1] for pair in pairs], _CODE_DROPOUT)
        return left, right, self._lower[self._corpus.name[definitions]] + self._corpus.package[definitions] * (1 << 32)

    def bags(self, texts: Sequence[NDArray[np.int32]], dropout: float = 0.0) -> Bags:
        """Turn texts of word numbers into bags of rows, leaving out a share of their entries."""
        counts = np.array([len(text) for text in texts], np.int64)
        terms, term_counts = self._terms.expand(np.concatenate(texts), counts)
        bags = count_rows(self._rows.row_of[terms], term_counts, self._rows.table_rows)
        if not dropout:
            return bags
        kept = self._random.random(len(bags.rows)) >= dropout
        # A text that lost everything keeps its first entry.
        lengths = np.diff(bags.bounds)
        kept[bags.bounds[:-1][lengths > 0]] |= np.add.reduceat(kept, bags.bounds[:-1][lengths > 0]) == 0
        bounds = np.concatenate(([0], np.cumsum(kept)))[bags.bounds]
        return Bags(bags.rows[kept], bags.weights[kept], bounds)

    def _pair(self, definition: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        if self._corpus.sentence[definition] >= _MIN_SENTENCE and self._random.random() < _ABOUT_DOCUMENTATION:
            return self._documentation_pair(definition)
        return self._code_pair(definition)

    def _documentation_pair(self, definition: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        corpus, random = self._corpus, self._random
        code, documentation = corpus.code[definition], corpus.documentation[definition]
        sentence = documentation[: corpus.sentence[definition]]
        draw = random.random()
        if draw < 0.42:
            rest = documentation[len(sentence) :] if random.random() < 0.3 else documentation[:0]
            return self._asked(sentence, 0.2), np.concatenate((rest, self._titled(definition, code)))
        if draw < 0.55:
            return documentation, self._titled(definition, code)
        if draw < 0.90:
            return self._asked(sentence, 0.2), self._masked(definition)
        return self._asked(self._name(definition), 1.0), np.concatenate((documentation, self._titled(definition, code)))

    def _code_pair(self, definition: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        corpus, random = self._corpus, self._random
        code = corpus.code[definition]
        draw = random.random()
        first, end = self._first_context[definition], self._first_context[definition + 1]
        if first < end and draw < 0.4:
            return corpus.contexts[int(random.integers(first, end))], self._titled(definition, code)
        if self._telling_name[definition] and draw < 0.75:
            name = self._name(definition)
            subject = np.concatenate((name, corpus.scope[definition])) if random.random() < 0.3 else name
            return self._asked(subject, 0.5), self._masked(definition)
        middle = len(code) // 2
        return code[:middle], code[middle:]

    def _name(self, definition: int) -> NDArray[np.int32]:
        return self._corpus.name[definition : definition + 1].astype(np.int32)

    def _titled(self, definition: int, code: NDArray[np.int32]) -> NDArray[np.int32]:
        """Put the name and scope before the code, as the index does, in most cases."""
        if self._random.random() < 0.3:
            return code
        return np.concatenate((self._name(definition), self._corpus.scope[definition], code))

    def _masked(self, definition: int) -> NDArray[np.int32]:
        code = self._corpus.code[definition]
        kept = code[self._lower[code] != self._lower[self._corpus.name[definition]]]
        return kept if len(kept) else code

    def _asked(self, text: NDArray[np.int32], probability: float) -> NDArray[np.int32]:
        if self._random.random() >= probability:
            return text
        return np.concatenate((text, self._frames[self._random.integers(len(self._frames))]))

    def _frame(self, question: str) -> NDArray[np.int32]:
        words = question.replace("{}", " ").split()
        return np.array([self._number[word] for word in words if word in self._number], np.int32)
