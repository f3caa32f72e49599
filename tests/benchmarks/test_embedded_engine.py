"""The benchmark of the embedded engine: its figures and its cursors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.embedded_engine.__main__ import observe
from benchmarks.embedded_engine.cursors import VARIANTS
from benchmarks.embedded_engine.measures import Outcome, calibration, edit_similarity, summarise
from benchmarks.embedded_engine.training import fit
from tests.conftest import Repository

METHOD = '''
    def get_{0}(self, key):
        """Return the {0} of a key."""
        if key not in self.{0}s:
            raise KeyError(key)
        return self.{0}s[key]
'''


def outcome(suggested: str, confidence: float, truth: str = "x = 1") -> Outcome:
    return Outcome(suggested, confidence, truth, "", False, "full", 1.0)


@pytest.mark.parametrize(
    ("one", "other", "similarity"),
    [("abc", "abc", 1.0), ("abc", "", 0.0), ("abcd", "abxd", 0.75), (" a ", "a", 1.0), ("ab", "cd", 0.0)],
)
def test_edit_similarity_is_twice_the_common_subsequence_over_both_lengths(
    one: str, other: str, similarity: float
) -> None:
    assert edit_similarity(one, other) == pytest.approx(similarity)


def test_precision_counts_what_was_spoken_only() -> None:
    figures = summarise([outcome("x = 1", 0.9), outcome("y", 0.6), outcome("x = 1", 0.2), outcome("", 0.0)])
    assert figures["exact_match"] == 0.5
    assert figures["coverage_0.5"] == 0.5
    assert figures["precision_0.5"] == 0.5
    assert figures["precision_0.7"] == 1.0


def test_calibration_compares_stated_and_observed_shares() -> None:
    rows = calibration([outcome("x = 1", 0.95), outcome("x = 1", 0.95), outcome("y", 0.15)])
    assert [(row["cursors"], row["right"]) for row in rows] == [(1, 0.0), (2, 1.0)]


def test_the_fitted_model_is_calibrated_on_what_it_was_fitted_to() -> None:
    chance = np.random.default_rng(1)
    features = chance.standard_normal((4000, 3))
    likely = 1 / (1 + np.exp(-(2 * features[:, 0] - 1)))
    labels = chance.random(4000) < likely
    model = fit(features, labels, ("a", "b", "c"))
    assert float(np.abs(model.probabilities(features) - likely).mean()) < 0.03


def test_a_real_repository_is_measured(make_repository: Callable[..., Repository]) -> None:
    names = ("user", "order", "invoice", "product", "price", "account", "basket", "address")
    files = {f"shop/{name}.py": f"class {name.title()}Store:" + METHOD.format(name) * 2 for name in names}
    observed = observe(Path(make_repository(files).path), 24, seed=1)
    assert len(observed) >= 24
    assert {one.cursor.variant for one in observed} <= set(VARIANTS)
    assert any(one.labels.any() for one in observed)
