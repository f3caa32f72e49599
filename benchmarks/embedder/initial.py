"""Where training starts: the vocabulary, weights by rarity, and vectors from co-occurrence or from chance."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from benchmarks.embedder.corpus import Corpus, Numbers, WordTerms
from benchmarks.embedder.pairs import TableRows
from indexer.embed.bags import Bags, count_rows
from indexer.embed.protocol import Vectors

_BLOCK = 20_000
_MIN_PACKAGES = 2
_MIN_DEFINITIONS = 6


def choose_vocabulary(
    corpus: Corpus, terms: WordTerms, packages: Numbers, size: int
) -> tuple[Numbers, NDArray[np.float64], int]:
    """Choose the terms that get a row of their own: those of the most packages, then of the most definitions.

    Returns:
        Terms by falling rank (int64), the definitions each occurs in (of all terms, float64), and the number of
        definitions counted.
    """
    count = len(terms.names)
    definitions, in_packages = np.zeros(count), np.zeros(count)
    counted = 0
    bounds = np.searchsorted(corpus.package, np.arange(len(corpus.packages) + 1))
    for package in packages.tolist():
        seen = np.zeros(count, bool)
        for start in range(int(bounds[package]), int(bounds[package + 1]), _BLOCK):
            inside = np.arange(start, min(start + _BLOCK, int(bounds[package + 1])))
            counted += len(inside)
            distinct = definition_bags(corpus, terms, inside, TableRows(np.arange(count), count)).rows
            definitions += np.bincount(distinct, minlength=count)
            seen[distinct] = True
        in_packages += seen
    order = np.lexsort((-definitions, -in_packages))
    good = (in_packages[order] >= _MIN_PACKAGES) & (definitions[order] >= _MIN_DEFINITIONS)
    return order[good][:size], definitions, counted


def definition_bags(corpus: Corpus, terms: WordTerms, definitions: Numbers, rows: TableRows) -> Bags:
    """Return documentation and code of each definition as one bag."""
    texts = [
        part for at in definitions.tolist() for part in (corpus.documentation[at], corpus.scope[at], corpus.code[at])
    ]
    counts = np.array([len(text) for text in texts], np.int64).reshape(-1, 3).sum(axis=1)
    words = np.concatenate(texts) if texts else np.zeros(0, np.int32)
    flat, term_counts = terms.expand(words, counts)
    return count_rows(rows.row_of[flat], term_counts, rows.table_rows)


def random_vectors(rows: int, dimensions: int, seed: int) -> Vectors:
    """Return directions by chance, float32 of shape ``(rows, dimensions)``, of about unit length."""
    vectors = np.random.default_rng(seed).standard_normal((rows, dimensions), dtype=np.float32)
    return np.asarray(vectors / np.float32(np.sqrt(dimensions)), np.float32)


def svd_vectors(bags: Bags, rarity: NDArray[np.float32], dimensions: int, seed: int, *, power: float = 0.5) -> Vectors:
    """Return the right singular vectors of the matrix of definitions by rows (LSA), scaled by ``values ** power``.

    By subspace iteration (Halko, Martinsson & Tropp, 2011) on matrix rows of length 1, after weighting by rarity.
    """
    rows = len(rarity)
    weights = bags.weights * rarity[bags.rows]
    texts = bags.texts
    norms = np.sqrt(np.bincount(texts, weights**2, minlength=len(bags.bounds) - 1))
    weights = (weights / np.maximum(norms, 1e-6)[texts]).astype(np.float32)
    forward = Bags(bags.rows, weights, bags.bounds)
    order = np.argsort(bags.rows, kind="stable")
    backward = Bags(texts[order], weights[order], np.searchsorted(bags.rows[order], np.arange(rows + 1)))
    basis = random_vectors(rows, dimensions + 16, seed)
    for _ in range(2):
        basis, _ = np.linalg.qr(_multiply(backward, _multiply(forward, basis)))
    projected = _multiply(forward, np.asarray(basis, np.float32))
    values, rotation = np.linalg.eigh(projected.T @ projected)
    top = np.argsort(-values)[:dimensions]
    vectors = basis @ rotation[:, top] * np.maximum(values[top], 0.0) ** (power / 2)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # Rows that never occur, or hardly, keep a direction by chance.
    unit = vectors / np.maximum(lengths, 1e-9)
    return np.asarray(np.where(lengths > 1e-7, unit, random_vectors(rows, dimensions, seed + 1)), np.float32)


def _multiply(matrix: Bags, dense: Vectors) -> Vectors:
    product = np.zeros((len(matrix.bounds) - 1, dense.shape[1]), np.float32)
    dense = np.asarray(dense, np.float32)
    for line, (start, end) in enumerate(itertools.pairwise(matrix.bounds.tolist())):
        product[line] = matrix.weights[start:end] @ dense[matrix.rows[start:end]]
    return product
