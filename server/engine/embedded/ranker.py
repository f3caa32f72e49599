"""Scores candidates and their beginnings: logistic regression whose output is a calibrated probability."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from server.engine.embedded.features import NAMES
from server.engine.embedded.prefixes import NAMES as BEGINNING_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEIGHTS = "weights.json"


@dataclass(frozen=True, slots=True)
class Model:
    """Trained weights for rows of features.

    Attributes:
        names: What the features are.
        mean, scale: float64[features], subtracted from the features and divided by.
        weights: float64[features].
        bias: Added to the weighted sum.
    """

    names: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    bias: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any], names: tuple[str, ...]) -> Self:
        """Read what :meth:`to_json` made.

        Raises:
            ValueError: The weights were trained for other features.
        """
        if tuple(data["features"]) != names:
            raise ValueError("the ranker's weights belong to other features; train it again")
        return cls(
            names, np.array(data["mean"]), np.array(data["scale"]), np.array(data["weights"]), float(data["bias"])
        )

    def to_json(self) -> dict[str, Any]:
        """Return the weights as plain values."""
        return {
            "features": list(self.names),
            "mean": _rounded(self.mean),
            "scale": _rounded(self.scale),
            "weights": _rounded(self.weights),
            "bias": round(self.bias, 5),
        }

    def probabilities(self, features: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Return for each row the probability that what it describes will be typed; float64[n]."""
        values = np.clip((features - self.mean) / self.scale, -5.0, 5.0)
        return np.asarray(1.0 / (1.0 + np.exp(-(values @ self.weights + self.bias))))


@dataclass(frozen=True, slots=True)
class Ranker:
    """Everything that is trained: ``lines`` judges whole candidates, ``beginnings`` what several have in common."""

    lines: Model
    beginnings: Model

    @classmethod
    def load(cls) -> Self:
        """Return the ranker that ships with Hearth."""
        text = resources.files(__package__ or __name__).joinpath(_WEIGHTS).read_text(encoding="utf-8")
        return cls.from_json(json.loads(text))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` made.

        Raises:
            ValueError: The weights were trained for other features.
        """
        return cls(Model.from_json(data["lines"], NAMES), Model.from_json(data["beginnings"], BEGINNING_NAMES))

    def to_json(self) -> dict[str, Any]:
        """Return the weights as plain values."""
        return {"lines": self.lines.to_json(), "beginnings": self.beginnings.to_json()}


def _rounded(array: npt.NDArray[np.float64]) -> Any:
    return np.round(array, 5).tolist()
