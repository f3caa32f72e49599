"""Definitions as arrays of word numbers, small enough to hold a million of them in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.embedder.definitions import DefinitionRecord, first_sentence
from indexer.embed.terms import terms_of, words_of

_MAX_CODE_WORDS = 220
_MAX_DOCUMENTATION_WORDS = 60
_MAX_CONTEXT_WORDS = 120

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """Many texts as word numbers: text ``i`` is ``words[bounds[i]:bounds[i + 1]]``."""

    words: NDArray[np.int32]
    bounds: Numbers

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, text: int) -> NDArray[np.int32]:
        return self.words[self.bounds[text] : self.bounds[text + 1]]

    @property
    def lengths(self) -> Numbers:
        """Words of each text."""
        return np.diff(self.bounds)


@dataclass(frozen=True, slots=True)
class Corpus:
    """All definitions of many packages, in the order of their packages.

    Attributes:
        words: Distinct words as written; word numbers point into it.
        packages: Names of the packages.
        languages: Names of the languages.
        package: Package of each definition.
        language: Language of each definition.
        name: Word number of each definition's name.
        sentence: Number of words in the first sentence of each documentation.
        scope, documentation, code: Parts of each definition.
        contexts: Lines before calls; ``context_of`` is the definition that each calls.
    """

    words: tuple[str, ...]
    packages: tuple[str, ...]
    languages: tuple[str, ...]
    package: Numbers
    language: Numbers
    name: Numbers
    sentence: Numbers
    scope: Texts
    documentation: Texts
    code: Texts
    contexts: Texts
    context_of: Numbers

    def __len__(self) -> int:
        return len(self.package)

    def save(self, path: Path) -> None:
        """Write everything to one ``.npz``."""
        arrays = {name: getattr(self, name) for name in ("package", "language", "name", "sentence", "context_of")}
        for name in ("scope", "documentation", "code", "contexts"):
            texts: Texts = getattr(self, name)
            arrays[f"{name}_words"], arrays[f"{name}_bounds"] = texts.words, texts.bounds
        for name in ("words", "packages", "languages"):
            arrays[name] = np.frombuffer("\n".join(getattr(self, name)).encode(), np.uint8)
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read what :meth:`save` wrote."""
        with np.load(path) as stored:

            def names(name: str) -> tuple[str, ...]:
                return tuple(stored[name].tobytes().decode().split("\n"))

            def texts(name: str) -> Texts:
                return Texts(stored[f"{name}_words"], stored[f"{name}_bounds"])

            return cls(
                words=names("words"),
                packages=names("packages"),
                languages=names("languages"),
                package=stored["package"],
                language=stored["language"],
                name=stored["name"],
                sentence=stored["sentence"],
                scope=texts("scope"),
                documentation=texts("documentation"),
                code=texts("code"),
                contexts=texts("contexts"),
                context_of=stored["context_of"],
            )


class CorpusBuilder:
    """Collects definitions, package by package."""

    def __init__(self) -> None:
        self._words: dict[str, int] = {}
        self._packages: list[str] = []
        self._languages: dict[str, int] = {}
        self._columns = {name: array("q") for name in ("package", "language", "name", "sentence", "context_of")}
        self._texts = {name: (array("i"), array("q", [0])) for name in ("scope", "documentation", "code", "contexts")}

    def add_package(self, name: str, definitions: Iterable[DefinitionRecord]) -> None:
        """Add all definitions of one package."""
        package = len(self._packages)
        self._packages.append(name)
        for record in definitions:
            self._add(package, record)

    def build(self) -> Corpus:
        """Return what was collected."""
        columns = {name: np.array(column, np.int64) for name, column in self._columns.items()}
        texts = {
            name: Texts(np.array(words, np.int32), np.array(bounds, np.int64))
            for name, (words, bounds) in self._texts.items()
        }
        return Corpus(
            words=tuple(self._words),
            packages=tuple(self._packages),
            languages=tuple(self._languages),
            package=columns["package"],
            language=columns["language"],
            name=columns["name"],
            sentence=columns["sentence"],
            scope=texts["scope"],
            documentation=texts["documentation"],
            code=texts["code"],
            contexts=texts["contexts"],
            context_of=columns["context_of"],
        )

    def _add(self, package: int, record: DefinitionRecord) -> None:
        columns = self._columns
        number = len(columns["package"])
        columns["package"].append(package)
        columns["language"].append(self._languages.setdefault(record.language, len(self._languages)))
        columns["name"].append(self._word(record.name))
        documentation = words_of(record.documentation)[:_MAX_DOCUMENTATION_WORDS]
        sentence = len(words_of(first_sentence(record.documentation)))
        columns["sentence"].append(min(sentence, len(documentation)))
        self._add_text("scope", words_of(record.scope))
        self._add_text("documentation", documentation)
        self._add_text("code", words_of(record.code)[:_MAX_CODE_WORDS])
        for context in record.contexts:
            columns["context_of"].append(number)
            self._add_text("contexts", words_of(context)[-_MAX_CONTEXT_WORDS:])

    def _add_text(self, name: str, words: list[str]) -> None:
        numbers, bounds = self._texts[name]
        numbers.extend(map(self._word, words))
        bounds.append(len(numbers))

    def _word(self, word: str) -> int:
        return self._words.setdefault(word, len(self._words))


@dataclass(frozen=True, slots=True)
class WordTerms:
    """The terms of each word of a corpus: word ``w`` has ``terms[bounds[w]:bounds[w + 1]]``."""

    names: tuple[str, ...]
    """Distinct terms."""
    terms: Numbers
    bounds: Numbers

    @classmethod
    def of(cls, words: Iterable[str]) -> WordTerms:
        """Cut every word into terms."""
        numbers: dict[str, int] = {}
        flat, bounds = array("q"), array("q", [0])
        for word in words:
            flat.extend(numbers.setdefault(term, len(numbers)) for term in terms_of(word))
            bounds.append(len(flat))
        return cls(tuple(numbers), np.array(flat, np.int64), np.array(bounds, np.int64))

    def expand(self, words: NDArray[np.int32] | Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
        """Replace words by their terms; ``counts`` are the words of each text, and the terms in the result."""
        lengths = self.bounds[words + 1] - self.bounds[words]
        starts = self.bounds[words]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        within = np.arange(total) - np.repeat(ends - lengths, lengths)
        terms = self.terms[np.repeat(starts, lengths) + within]
        edges = np.concatenate(([0], ends))
        text_bounds = np.concatenate(([0], np.cumsum(counts)))
        return terms, np.diff(edges[text_bounds])
