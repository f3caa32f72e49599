"""Train the table that ships with Hearth, and say what it is worth.

    python -m benchmarks.train_embedder --packages ARCHIVES --out indexer/embed/static_table.npz

``ARCHIVES`` is a folder of package archives as their package managers download them (wheels, npm tarballs, Debian
packages and source packages). A tenth of the packages is held out and serves to judge the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import attrs
import numpy as np

from benchmarks.embedder.corpus import Corpus, CorpusBuilder, Numbers, WordTerms
from benchmarks.embedder.definitions import package_definitions
from benchmarks.embedder.evaluation import documentation_task, evaluate, mean_reciprocal_rank, pass_at, question_task
from benchmarks.embedder.initial import choose_vocabulary, definition_bags, random_vectors, svd_vectors
from benchmarks.embedder.packages import read_packages
from benchmarks.embedder.pairs import PairSampler, TableRows
from indexer.embed import Embedder, StaticEmbedder
from indexer.embed.protocol import Vectors
from indexer.embed.table import StaticTable
from indexer.embed.training import Trainer, TrainingConfig

JUDGED_LANGUAGES = ("python", "javascript", "go", "java", "rust", "cpp")
_SVD_DEFINITIONS = 120_000


@dataclass(frozen=True, slots=True)
class Start:
    """All that training needs: the data, who trains and who judges, the vocabulary and the first table."""

    corpus: Corpus
    terms: WordTerms
    training: Numbers
    held_out: Numbers
    vocabulary: tuple[str, ...]
    rows: TableRows
    vectors: Vectors
    log_weights: Vectors


def main() -> None:
    """Build or load the corpus, train, judge and save."""
    options = _options()
    corpus = _corpus(options.packages, options.corpus, frozenset(options.exclude))
    start = prepare(
        corpus,
        vocabulary=options.vocabulary,
        buckets=options.buckets,
        dimensions=options.dimensions,
        how=options.start,
        seed=options.seed,
    )
    _say(f"{len(corpus)} definitions, {len(start.training)} packages train, {len(start.held_out)} judge")
    table = train(
        start,
        TrainingConfig(),
        epochs=options.epochs,
        pairs=options.pairs,
        seed=options.seed,
        minutes=options.minutes,
    )
    StaticTable.quantise(start.vocabulary, table).save(options.out)
    embedder = StaticEmbedder(StaticTable.load(options.out))
    sys.stdout.write(json.dumps(judge(start, embedder, options.questions), indent=1) + "\n")


def prepare(corpus: Corpus, *, vocabulary: int, buckets: int, dimensions: int, how: str, seed: int) -> Start:
    """Split packages, choose the vocabulary and make the table that training starts from (``svd`` or ``random``)."""
    held = np.array([zlib.crc32(name.encode()) % 10 == 0 for name in corpus.packages])
    training, held_out = np.flatnonzero(~held), np.flatnonzero(held)
    terms = WordTerms.of(corpus.words)
    chosen, occurrences, counted = choose_vocabulary(corpus, terms, training, vocabulary)
    names = tuple(terms.names[term] for term in chosen.tolist())
    row_of = np.array([len(names) + zlib.crc32(term.encode()) % buckets for term in terms.names], np.int64)
    row_of[chosen] = np.arange(len(names))
    rows = TableRows(row_of, len(names) + buckets)
    rarity = np.full(rows.table_rows, np.log(counted), np.float32)
    rarity[: len(names)] = np.log((counted + 1) / (occurrences[chosen] + 1))
    if how == "svd":
        inside = np.flatnonzero(np.isin(corpus.package, training))
        sample = np.sort(np.random.default_rng(seed).permutation(inside)[:_SVD_DEFINITIONS])
        vectors = svd_vectors(definition_bags(corpus, terms, sample, rows), rarity, dimensions, seed)
    else:
        vectors = random_vectors(rows.table_rows, dimensions, seed)
    return Start(corpus, terms, training, held_out, names, rows, vectors, np.log(rarity / rarity.mean()))


def train(
    start: Start,
    config: TrainingConfig,
    *,
    epochs: float,
    pairs: int,
    seed: int,
    minutes: float = 10.0,
    watch: Callable[[int, Trainer], None] | None = None,
) -> Vectors:
    """Train for some epochs, but no longer than ``minutes``, and return the table."""
    sampler = PairSampler(start.corpus, start.terms, start.rows, start.training, batch_pairs=pairs, seed=seed)
    steps = int(sampler.batches * epochs)
    trainer = Trainer(start.vectors.copy(), start.log_weights.copy(), attrs.evolve(config, steps=steps))
    began = time.monotonic()
    losses: list[float] = []
    while len(losses) < steps:
        for left, right, group in sampler.epoch():
            losses.append(trainer.step(left, right, group))
            elapsed = time.monotonic() - began
            if len(losses) % 50 == 0:
                _say(f"step {len(losses)}/{steps}, loss {np.mean(losses[-50:]):.4f}, {elapsed:.0f} s")
                if watch is not None:
                    watch(len(losses), trainer)
            if len(losses) >= steps or elapsed > 60.0 * minutes:
                return trainer.table()
    return trainer.table()


def judge(start: Start, embedder: Embedder, questions: Path | None) -> dict[str, object]:
    """Measure the table, BM25 and their fusion on packages that did not train it (and on questions, when given)."""
    report: dict[str, object] = {"version": embedder.version}
    for masked in (False, True):
        for language in JUDGED_LANGUAGES:
            task = documentation_task(start.corpus, start.held_out, language, masked=masked)
            if len(task.queries) >= 50:
                name = f"{task.name} ({len(task.queries)} of {len(task.documents)})"
                report[name] = evaluate(task, embedder, {"mrr10": mean_reciprocal_rank})["mrr10"]
    if questions is not None:
        report["questions"] = evaluate(
            question_task(questions), embedder, {f"pass{k}": pass_at(k) for k in (5, 10, 20)}
        )
    return report


def _corpus(packages: Path | None, stored: Path | None, excluded: frozenset[str]) -> Corpus:
    if stored is not None and stored.exists():
        return Corpus.load(stored)
    if packages is None:
        sys.exit("--packages is needed to build the corpus")
    builder = CorpusBuilder()
    for number, package in enumerate(read_packages(packages, excluded)):
        builder.add_package(package.name, package_definitions(package, number))
        if number % 50 == 0:
            _say(f"{number} packages read, now {package.name} ({package.licence})")
    corpus = builder.build()
    if stored is not None:
        corpus.save(stored)
    return corpus


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="folder of package archives")
    parser.add_argument("--corpus", type=Path, help="keep the extracted definitions here, or take them from here")
    parser.add_argument("--exclude", nargs="*", default=(), help="projects that something is measured on")
    parser.add_argument("--questions", type=Path, help="folder of a question set, for the report only")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocabulary", type=int, default=32_768)
    parser.add_argument("--buckets", type=int, default=4_096)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--start", choices=("svd", "random"), default="svd")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--pairs", type=int, default=1_536)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")


if __name__ == "__main__":
    main()
