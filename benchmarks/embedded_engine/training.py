"""Fits the ranker: logistic regression with a little ridge, by Newton's method, in plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from server.engine.embedded.ranker import Model

_RIDGE = 3.0
_STEPS = 12


def fit(features: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.bool_], names: tuple[str, ...]) -> Model:
    """Return the model that gives ``labels`` the greatest likelihood.

    Args:
        features: float[n, features], one row for each example.
        labels: bool[n], whether what the row describes is what had been written.
        names: What the features are.
    """
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale[scale < 1e-3] = 1.0
    values = np.clip((features - mean) / scale, -5.0, 5.0)
    values = np.hstack((values, np.ones((len(values), 1))))
    weights = np.zeros(values.shape[1])
    ridge = np.full(len(weights), _RIDGE)
    ridge[-1] = 0.0
    for _ in range(_STEPS):
        expected = 1.0 / (1.0 + np.exp(-(values @ weights)))
        gradient = values.T @ (expected - labels) + ridge * weights
        curvature = (values.T * np.maximum(expected * (1.0 - expected), 1e-6)) @ values + np.diag(ridge + 1e-6)
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 3.0 / float(np.abs(step).max()))
        if float(np.abs(step).max()) < 1e-5:
            break
    return Model(names, mean, scale, weights[:-1], float(weights[-1]))
