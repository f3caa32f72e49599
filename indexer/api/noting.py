"""Damage that is met while reading is written down, so that it is looked into even when nobody looks at errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from indexer.errors import IndexCorrupt
from indexer.store.damage import note_damage

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _OfData(Protocol):
    """Something that reads a data directory."""

    @property
    def data(self) -> Path:
        """The data directory."""


_Reader = TypeVar("_Reader", bound=_OfData)


def notes_damage(method: Callable[Concatenate[_Reader, _P], _T]) -> Callable[Concatenate[_Reader, _P], _T]:
    """Have a method write down what raises IndexCorrupt in it."""

    @functools.wraps(method)
    def noting(reader: _Reader, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        try:
            return method(reader, *arguments, **options)
        except IndexCorrupt as error:
            note_damage(reader.data, error.message)
            raise

    return noting
