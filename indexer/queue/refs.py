"""Names of refs as they come from outside, and as the queue and the index know them."""

from __future__ import annotations

from collections.abc import Iterable

MOST_REFS = 10_000
"""Refs of one notice; with more of them all that are followed are looked at."""
_MOST_NAME_CHARACTERS = 1_024
_KINDS = ("refs/heads/", "refs/tags/")


def followed_name(ref: str) -> str | None:
    """Return the short name of a branch or a tag, ``HEAD`` as it is, and None for refs that are never indexed."""
    if len(ref) > _MOST_NAME_CHARACTERS or not ref.isprintable():
        return None
    if ref == "HEAD":
        return ref
    for kind in _KINDS:
        if ref.startswith(kind) and len(ref) > len(kind):
            return ref.removeprefix(kind)
    return None


def followed_names(refs: Iterable[str]) -> tuple[str, ...]:
    """Return the short names of the branches and tags among full names; ``("",)``, for all, when there are too many."""
    names: dict[str, None] = {}
    for ref in refs:
        name = followed_name(ref)
        if name is not None:
            names[name] = None
        if len(names) > MOST_REFS:
            return ("",)
    return tuple(names)
