"""Fits the ranker: logistic regression, or a network with one small hidden layer, in plain numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from server.engine.embedded.ranker import Model

_DECAY = 1e-4


def fit(
    features: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.bool_],
    names: tuple[str, ...],
    *,
    hidden: int = 0,
    steps: int = 600,
    seed: int = 0,
) -> Model:
    """Train on one row for each candidate.

    Args:
        features: float[n, features].
        labels: bool[n], whether the candidate was what had been written.
        names: What the features are.
        hidden: Units of the hidden layer; 0 for logistic regression.
        steps: Full-batch steps of Adam.
        seed: For the initial weights.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-3] = 1.0
    values = np.clip((features - mean) / scale, -5.0, 5.0).astype(np.float32)
    targets = labels.astype(np.float32)
    chance = np.random.default_rng(seed)
    sizes = [values.shape[1], *([hidden] if hidden else []), 1]
    layers = [
        [(chance.standard_normal((one, other)) / np.sqrt(one)).astype(np.float32), np.zeros(other, np.float32)]
        for one, other in itertools.pairwise(sizes)
    ]
    rate = targets.mean()
    layers[-1][1][:] = np.log(rate / (1 - rate))
    moments = [[(np.zeros_like(part), np.zeros_like(part)) for part in layer] for layer in layers]
    for step in range(1, steps + 1):
        gradients = _gradients(layers, values, targets)
        speed = 0.03 * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        for layer, gradient, moment in zip(layers, gradients, moments, strict=True):
            for place in range(2):
                first, second = moment[place]
                first += 0.1 * (gradient[place] - first)
                second += 0.001 * (gradient[place] ** 2 - second)
                corrected = np.sqrt(second / (1 - 0.999**step)) + 1e-8
                layer[place] -= (speed * (first / (1 - 0.9**step)) / corrected).astype(np.float32)
    return Model(
        names,
        mean.astype(np.float64),
        scale.astype(np.float64),
        tuple((layer[0].astype(np.float64), layer[1].astype(np.float64)) for layer in layers),
    )


def _gradients(
    layers: list[list[npt.NDArray[np.float32]]], values: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]
) -> list[list[npt.NDArray[np.float32]]]:
    outputs = [values]
    for number, (matrix, bias) in enumerate(layers):
        result = outputs[-1] @ matrix + bias
        outputs.append(np.tanh(result) if number < len(layers) - 1 else 1 / (1 + np.exp(-result)))
    error = (outputs[-1][:, 0] - targets)[:, None] / len(targets)
    gradients: list[list[npt.NDArray[np.float32]]] = []
    for number in range(len(layers) - 1, -1, -1):
        matrix = layers[number][0]
        gradients.append([outputs[number].T @ error + _DECAY * matrix, error.sum(axis=0)])
        if number:
            error = (error @ matrix.T) * (1 - outputs[number] ** 2)
    return gradients[::-1]
