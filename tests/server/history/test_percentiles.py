"""Percentiles from buckets, against those of the times themselves."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.metrics import SECONDS
from server.history.percentiles import Bucket, Percentiles, merged, quantile

EDGES = (0.0, *SECONDS, math.inf)
SCALE: tuple[Bucket, ...] = tuple(pairwise(EDGES))


def counted(times: np.ndarray) -> Counter[Bucket]:
    # As in prometheus-client, the upper bound of a bucket lies inside of it.
    places = np.searchsorted(np.asarray(SECONDS), times, side="left")
    return Counter(SCALE[place] for place in places)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_percentile_lies_in_the_bucket_that_it_has_among_the_times_themselves(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    times = random.lognormal(mean=random.uniform(-6, 0), sigma=random.uniform(0.1, 1.5), size=random.integers(1, 5000))
    exact = float(np.quantile(times, share, method="inverted_cdf"))
    found = quantile(counted(times), share)
    if exact > SECONDS[-1]:
        assert found == SECONDS[-1]
    else:
        lower, upper = next(bucket for bucket in SCALE if bucket[0] < exact <= bucket[1])
        assert lower <= found <= upper


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.floats(0.00001, 200), max_size=50), min_size=1, max_size=6), st.floats(0, 1))
def test_merging_parts_is_counting_them_together(parts: list[list[float]], share: float) -> None:
    together = np.asarray([time for part in parts for time in part])
    apart = merged(counted(np.asarray(part)) for part in parts)
    assert apart == counted(together)
    assert quantile(apart, share) == quantile(counted(together), share)


def test_times_within_a_bucket_are_taken_to_be_spread_evenly() -> None:
    # The example of Prometheus' own documents: the rank within its bucket, between the bucket's bounds.
    assert quantile({(0.1, 0.2): 10}, 0.5) == pytest.approx(0.15)
    assert quantile({(0.0, 0.1): 90, (0.1, 0.2): 10}, 0.95) == pytest.approx(0.15)
    assert quantile({(120.0, math.inf): 3}, 0.5) == 120.0
    assert quantile({}, 0.95) == 0.0
    assert Percentiles.of({}) == Percentiles(0, 0.0, 0.0, 0.0)


def test_buckets_of_an_earlier_scale_are_merged_with_those_of_a_later_one() -> None:
    both = merged([{(0.0, 0.1): 5}, {(0.0, 0.05): 5, (0.05, 0.1): 5}])
    assert sum(both.values()) == 15
    assert 0.05 <= quantile(both, 0.99) <= 0.1
