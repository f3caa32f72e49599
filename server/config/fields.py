"""How one setting is declared: its default, its help and its checks."""

from __future__ import annotations

from typing import Any, TypeVar

from attrs import field, validators

_T = TypeVar("_T")


def setting(default: _T, help_: str, *checks: Any) -> _T:
    """One documented field; ``checks`` are attrs validators."""
    # attrs types field() by its default; the checks of one field are validators of the same type.
    return field(default=default, validator=list(checks) or None, metadata={"help": help_})


def between(low: float, high: float) -> Any:
    """Check that a number lies within bounds, both included."""
    return validators.and_(validators.ge(low), validators.le(high))
