"""Trains the table of the static embedder: pairs of texts that belong together are pulled towards each other.

Symmetric InfoNCE (van den Oord et al., 2018; symmetric as in CLIP, Radford et al., 2021) over the other pairs of the
batch, gradients by hand, Adam (Kingma & Ba, 2015) on the rows that a batch touches.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from indexer.embed.bags import Bags
from indexer.embed.protocol import Vectors

_TINY = np.float32(1e-30)


@attrs.frozen
class TrainingConfig:
    """How the table is trained.

    Attributes:
        temperature: Divides cosines before the softmax.
        learning_rate: Of the vectors, at the start; it falls to zero along a cosine.
        weight_learning_rate: Of the logarithms of the terms' weights, falling likewise.
        warmup: Steps over which the rates rise from zero.
        steps: Steps in all, for the schedule.
    """

    temperature: float = 0.05
    learning_rate: float = 0.01
    weight_learning_rate: float = 0.01
    warmup: int = 30
    steps: int = 800


class Trainer:
    """Holds a table in training.

    A term's row is ``exp(log_weight) · vector``: apart, a weight can move faster than by turning all of a vector.

    Args:
        vectors: float32 of shape ``(rows, dimensions)``; changed in place.
        log_weights: float32 of shape ``(rows,)``; changed in place.
        config: How to train.
    """

    def __init__(self, vectors: Vectors, log_weights: NDArray[np.float32], config: TrainingConfig) -> None:
        self.vectors = vectors
        self.log_weights = log_weights
        self._config = config
        self._step = 0
        self._vector_moments = _Moments(vectors.shape)
        self._weight_moments = _Moments(log_weights.shape)

    def table(self) -> Vectors:
        """Return the rows with their weights folded in, float32 of shape ``(rows, dimensions)``."""
        return np.asarray(self.vectors * np.exp(self.log_weights)[:, None], np.float32)

    def step(self, left: Bags, right: Bags, group: NDArray[np.int64]) -> float:
        """Take one step on the pairs ``(left[i], right[i])`` and return their loss (nats) before it.

        Pairs of the same ``group`` are not each other's counterexamples: they say the same.
        """
        self._step += 1
        left_sum, right_sum = self._forward(left), self._forward(right)
        left_unit, left_norm = _normalise(left_sum)
        right_unit, right_norm = _normalise(right_sum)
        loss, left_grad, right_grad = info_nce(left_unit, right_unit, group, self._config.temperature)
        # Both sides read the same table: their entries form one gradient.
        text_grad = np.concatenate(
            (_through_norm(left_grad, left_unit, left_norm), _through_norm(right_grad, right_unit, right_norm))
        )
        rows = np.concatenate((left.rows, right.rows))
        texts = np.concatenate((left.texts, right.texts + len(left.bounds) - 1))
        weights = np.concatenate((left.weights, right.weights))
        self._update(rows, texts, weights, text_grad)
        return loss

    def _forward(self, bags: Bags) -> Vectors:
        weights = bags.weights * np.exp(self.log_weights[bags.rows])
        sums = np.zeros((len(bags.bounds) - 1, self.vectors.shape[1]), np.float32)
        for text, (start, end) in enumerate(zip(bags.bounds[:-1], bags.bounds[1:], strict=True)):
            sums[text] = weights[start:end] @ self.vectors[bags.rows[start:end]]
        return sums

    def _update(
        self, rows: NDArray[np.int64], texts: NDArray[np.int64], weights: NDArray[np.float32], text_grad: Vectors
    ) -> None:
        order = np.argsort(rows, kind="stable")
        rows, texts, weights = rows[order], texts[order], weights[order]
        first = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        touched = rows[first]
        ends = np.append(first[1:], len(rows))
        row_grad = np.empty((len(touched), text_grad.shape[1]), np.float32)
        for at, (start, end) in enumerate(zip(first.tolist(), ends.tolist(), strict=True)):
            row_grad[at] = weights[start:end] @ text_grad[texts[start:end]]
        # The gradient with respect to weight · vector; split it onto the two factors.
        scale = np.exp(self.log_weights[touched])
        weight_grad = np.einsum("ij,ij->i", row_grad, self.vectors[touched]) * scale
        row_grad *= scale[:, None]
        rate = self._rate()
        self.vectors[touched] -= (
            rate * self._config.learning_rate * self._vector_moments.direction(touched, row_grad, self._step)
        )
        self.log_weights[touched] -= (
            rate * self._config.weight_learning_rate * self._weight_moments.direction(touched, weight_grad, self._step)
        )

    def _rate(self) -> float:
        if self._step < self._config.warmup:
            return self._step / self._config.warmup
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, self._step / self._config.steps)))


def info_nce(
    left: Vectors, right: Vectors, group: NDArray[np.int64], temperature: float
) -> tuple[float, Vectors, Vectors]:
    """Return the symmetric loss (nats) and its gradients with respect to both sides' unit vectors.

    Args:
        left: float32 of shape ``(pairs, dimensions)``, rows of length 1; row ``i`` belongs to that of ``right``.
        right: As ``left``.
        group: int64 of shape ``(pairs,)``; pairs of one group are not compared with each other.
        temperature: Divides the cosines.
    """
    count = len(left)
    diagonal = np.arange(count)
    same = group[:, None] == group[None, :]
    same[diagonal, diagonal] = False
    # Cosines do not exceed 1, so that one exponential with one offset serves both directions.
    likeness = left @ right.T
    likeness -= np.float32(1.0)
    likeness /= np.float32(temperature)
    np.exp(likeness, out=likeness)
    likeness[same] = 0.0
    by_left = likeness.sum(axis=1, keepdims=True) + _TINY
    by_right = likeness.sum(axis=0, keepdims=True) + _TINY
    target = likeness[diagonal, diagonal]
    loss = -0.5 * float(np.mean(np.log(target / by_left[:, 0] + _TINY) + np.log(target / by_right[0] + _TINY)))
    gradient = likeness
    gradient *= np.float32(1.0) / by_left + np.float32(1.0) / by_right
    gradient[diagonal, diagonal] -= np.float32(2.0)
    gradient *= np.float32(0.5 / (count * temperature))
    return loss, np.asarray(gradient @ right, np.float32), np.asarray(gradient.T @ left, np.float32)


class _Moments:
    """Running moments of Adam for the rows of one array, updated only where a batch has a gradient."""

    _FIRST, _SECOND, _EPSILON = 0.9, 0.98, 1e-9

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._mean = np.zeros(shape, np.float32)
        self._square = np.zeros(shape, np.float32)

    def direction(self, rows: NDArray[np.int64], gradient: Vectors, step: int) -> Vectors:
        mean = self._FIRST * self._mean[rows] + (1 - self._FIRST) * gradient
        square = self._SECOND * self._square[rows] + (1 - self._SECOND) * gradient * gradient
        self._mean[rows], self._square[rows] = mean, square
        mean /= 1 - self._FIRST**step
        square /= 1 - self._SECOND**step
        return np.asarray(mean / (np.sqrt(square) + self._EPSILON), np.float32)


def _normalise(sums: Vectors) -> tuple[Vectors, Vectors]:
    norms = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return sums / norms, norms


def _through_norm(gradient: Vectors, unit: Vectors, norm: Vectors) -> Vectors:
    """Carry a gradient with respect to a unit vector back to the vector before it was normalised."""
    return np.asarray((gradient - unit * np.einsum("ij,ij->i", gradient, unit)[:, None]) / norm, np.float32)
