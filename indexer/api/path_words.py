"""How well the path of a file matches the words of a query.

Chunks are stored by content, whatever their path, so paths are weighed when candidates are known: a word counts more
the fewer of the candidates' paths have it.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Collection

from indexer.api.analysis import QueryAnalysis
from indexer.tokens import code_terms


def path_affinity(paths: Collection[str], analysis: QueryAnalysis) -> dict[str, float]:
    """Return for each path a number from 0 to 1: the share of the query's path words that it has, by rarity.

    A path or file name that the query spells out gives 1.
    """
    words = {path: path_terms(path) for path in paths}
    frequency = Counter(word for found in words.values() for word in found & analysis.words)
    rarity = {word: math.log(1 + len(paths) / count) for word, count in frequency.items()}
    # Two words of the query in a path are as good as it gets; long messages are not punished for their length.
    best = sum(sorted(rarity.values(), reverse=True)[:2]) or 1.0
    affinity: dict[str, float] = {}
    for path, found in words.items():
        score = sum(rarity[word] for word in found & analysis.words) / best
        if path.lower().endswith(analysis.paths):
            score = 1.0
        affinity[path] = min(score, 1.0)
    return affinity


@functools.lru_cache(maxsize=100_000)
def path_terms(path: str) -> frozenset[str]:
    """Return the stems of the words of a path, without the extension of the file."""
    folder, _, name = path.rpartition("/")
    return frozenset(code_terms(f"{folder} {name.rpartition('.')[0] or name}".replace("/", " ")))
