"""How far into the line the candidates agree: where no whole line is likely enough, a beginning of one may be."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from server.engine.embedded.features import NAMES as CANDIDATE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES: tuple[str, ...] = (
    "mass", "log_odds", "vote_mass", "similar_mass", "supporters", "length", "words", "share_of_mass", "best",
    "is_whole", "on_new_line", "half_typed", "comment", "string", "deepest", "mass_and_votes",
)  # fmt: skip

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])")
_WORTHWHILE = re.compile(r"\w{3}")
_SHORTEST = 4
_COLUMNS = {name: place for place, name in enumerate(CANDIDATE_NAMES)}


def common_prefixes(
    texts: Sequence[str], confidence: npt.NDArray[np.float64], features: npt.NDArray[np.float32]
) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return beginnings of the candidates, each ending with a token, and a row of features for each of them.

    Args:
        texts: The candidates.
        confidence: float64[n], each one's probability.
        features: float32[n, features of a candidate].
    """
    supporters: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for match in _TOKEN.finditer(text):
            prefix = text[: match.end()]
            if len(prefix.strip()) >= _SHORTEST and _WORTHWHILE.search(prefix):
                supporters.setdefault(prefix, []).append(row)
    total = float(confidence.sum()) or 1.0
    whole = set(texts)
    best = float(confidence.max(initial=0.0))
    rows = []
    for prefix, among in supporters.items():
        mass = min(0.99, max(0.001, float(confidence[among].sum())))
        voted = float(features[among, _COLUMNS["vote_share"]].sum())
        first = features[among[0]]
        rows.append(
            [
                mass,
                math.log(mass / (1 - mass)),
                voted,
                float(features[among, _COLUMNS["similar_share"]].sum()),
                math.log1p(len(among)),
                math.log1p(len(prefix)),
                math.log1p(len(prefix.split())),
                mass / total,
                best,
                float(prefix in whole),
                *(float(first[_COLUMNS[name]]) for name in ("on_new_line", "half_typed", "comment", "string")),
                float(features[among, _COLUMNS["depth"]].max()),
                mass * voted,
            ]
        )
    return list(supporters), np.array(rows, dtype=np.float32).reshape(len(rows), len(NAMES))
