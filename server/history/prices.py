"""What tokens cost where they are sold, as an administrator says: to compare with, never what Hearth cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.errors import RequestRefused

ANY_MODEL = "*"
_MILLION = 1_000_000
_MAX_MODELS = 200
_MAX_NAME = 200
_MAX_CURRENCY = 8
_MAX_PRICE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a million tokens of a prompt, and of a million that are generated."""

    prompt: float
    generated: float

    def of(self, prompt_tokens: float, generated_tokens: float) -> float:
        """Return what some tokens cost."""
        return (prompt_tokens * self.prompt + generated_tokens * self.generated) / _MILLION


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by the name of the model; that of ``"*"`` is for all others.

    Raises:
        RequestRefused: There is one that cannot be.
    """

    currency: str = ""
    models: Mapping[str, Price] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be a price."""
        if not self.currency.isprintable() or len(self.currency) > _MAX_CURRENCY:
            raise RequestRefused(f"a currency has at most {_MAX_CURRENCY} characters", advice="For example: EUR")
        if len(self.models) > _MAX_MODELS:
            raise RequestRefused(f"there can be at most {_MAX_MODELS} prices", advice="Take one away first.")
        for name, price in self.models.items():
            if not name.strip() or not name.isprintable() or len(name) > _MAX_NAME:
                raise RequestRefused(
                    f"{name[:_MAX_NAME]!r} cannot be the name of a model", advice="Or * for all others."
                )
            for amount in (price.prompt, price.generated):
                if not math.isfinite(amount) or not 0 <= amount <= _MAX_PRICE:
                    raise RequestRefused(
                        f"{amount:g} cannot be the price of a million tokens",
                        advice=f"A price is a number from 0 to {_MAX_PRICE:,.0f}.",
                    )

    def of(self, model: str) -> Price | None:
        """Return the price of a model; ``None`` when nobody said any."""
        return self.models.get(model, self.models.get(ANY_MODEL))
