"""Tells several listeners that something changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

log = logging.getLogger(__name__)

_P = ParamSpec("_P")


class Signal(Generic[_P]):
    """Call it to call everyone who listens, in the order in which they came; one that fails stops no other."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[_P, None]] = {}

    def connect(self, listener: Callable[_P, None]) -> Callable[[], None]:
        """Begin to call ``listener``; what is returned ends it, and may be called more than once."""
        key = object()
        self._listeners[key] = listener

        def disconnect() -> None:
            self._listeners.pop(key, None)

        return disconnect

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Call the listeners."""
        for listener in list(self._listeners.values()):
            try:
                listener(*args, **kwargs)
            except Exception:
                log.exception("a listener failed")
