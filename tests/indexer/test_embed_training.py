"""Training and storing the table of the static embedder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.embed.bags import Bags, count_rows
from indexer.embed.table import StaticTable
from indexer.embed.training import Trainer, TrainingConfig, info_nce


def random_units(seed: int, count: int = 6, dimensions: int = 5) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_gradient_of_the_loss_agrees_with_finite_differences() -> None:
    left, right = random_units(1), random_units(2)
    group = np.array([0, 1, 2, 2, 4, 5])
    _, left_gradient, right_gradient = info_nce(left, right, group, 0.5)
    step = 1e-2
    for side, gradient in ((left, left_gradient), (right, right_gradient)):
        for at in ((0, 0), (2, 3), (5, 4)):
            before = side[at]
            side[at] = before + step
            above = info_nce(left, right, group, 0.5)[0]
            side[at] = before - step
            below = info_nce(left, right, group, 0.5)[0]
            side[at] = before
            assert gradient[at] == pytest.approx((above - below) / (2 * step), abs=2e-3)


def test_pairs_of_one_group_are_not_counterexamples() -> None:
    left = random_units(1, count=2)
    same = left[[0, 0]]
    apart, _, _ = info_nce(same, same, np.array([0, 1]), 0.1)
    together, _, _ = info_nce(same, same, np.array([0, 0]), 0.1)
    assert apart == pytest.approx(np.log(2), rel=1e-3)
    assert together == pytest.approx(0.0, abs=1e-4)


def test_equal_rows_of_a_text_become_one_weighted_entry() -> None:
    bags = count_rows(np.array([3, 1, 3, 3, 1]), np.array([3, 0, 2]), table_rows=4)
    assert bags.rows.tolist() == [1, 3, 1, 3]
    assert bags.bounds.tolist() == [0, 2, 2, 4]
    np.testing.assert_allclose(bags.weights, [1, 1 + np.log(2), 1, 1])


def test_training_brings_pairs_together_and_silences_common_terms() -> None:
    # Row 0 stands in every text; rows 2i + 1 and 2i + 2 are the two names of thing i.
    things = 40
    vectors = np.random.default_rng(3).standard_normal((2 * things + 1, 16)).astype(np.float32)
    config = TrainingConfig(temperature=0.1, steps=150, learning_rate=0.05, weight_learning_rate=0.05)
    trainer = Trainer(vectors, np.zeros(len(vectors), np.float32), config)
    bounds = np.arange(0, 2 * things + 1, 2)
    ones = np.ones(2 * things, np.float32)
    rows = np.zeros((2, 2 * things), np.int64)
    rows[0, 1::2], rows[1, 1::2] = np.arange(things) * 2 + 1, np.arange(things) * 2 + 2
    left, right = (Bags(side, ones, bounds) for side in rows)
    losses = [trainer.step(left, right, np.arange(things)) for _ in range(150)]
    assert losses[0] > 2.0
    assert losses[-1] < 0.2
    lengths = np.linalg.norm(trainer.table(), axis=1)
    assert lengths[0] < 0.75 * np.median(lengths[1:])


def test_training_is_deterministic() -> None:
    def train() -> np.ndarray:
        vectors = np.random.default_rng(3).standard_normal((30, 8)).astype(np.float32)
        trainer = Trainer(vectors, np.zeros(30, np.float32), TrainingConfig(steps=5))
        bags = count_rows(np.arange(30), np.full(10, 3), 30)
        for _ in range(5):
            trainer.step(bags, bags, np.arange(10))
        return trainer.table()

    np.testing.assert_array_equal(train(), train())


def test_stored_table_gives_almost_the_same_vectors(tmp_path: Path) -> None:
    vocabulary = ["read", "config", "größe", "設定"]
    table = np.random.default_rng(5).standard_normal((20, 64)).astype(np.float32)
    table *= np.linspace(0.01, 10, 20, dtype=np.float32)[:, None]
    StaticTable.quantise(vocabulary, table).save(tmp_path / "table.npz")
    stored = StaticTable.load(tmp_path / "table.npz")
    assert stored.vocabulary == tuple(vocabulary)
    np.testing.assert_allclose(stored.rows * stored.scale[:, None], table, atol=float(np.abs(table).max()) / 250)
    assert stored.version == StaticTable.quantise(vocabulary, table).version


def test_table_without_buckets_is_refused() -> None:
    with pytest.raises(ValueError, match="outside its vocabulary"):
        StaticTable.quantise(["only"], np.ones((1, 4), np.float32))
