"""``hearth models``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from server.cli.output import print_json
from server.config import HearthConfig
from server.prompt import FimFormat, FormatRegistry

_HEADINGS = ("format", "family", "kind", "order", "files", "context", "licence", "commercial", "allowed", "notes")


def show(config: HearthConfig, *, as_json: bool) -> None:
    """Print the families of models whose prompts Hearth can write, each with the models that differ from it.

    Raises:
        server.errors.ConfigError: A file of models has a problem.
    """
    registry = FormatRegistry.load(config.models)
    if as_json:
        print_json({"models": [_as_object(item, registry) for item in registry.all()]})
        return
    table = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, no_wrap=heading == "format")
    for item in registry.all():
        table.add_row(*_row(item, registry))
        for models, differing in _exceptions(item):
            table.add_row("", f"  {', '.join(models)}", *_row(differing, registry)[2:])
    # In a pipe nothing is cut: there is no terminal whose width would matter.
    Console(width=None if sys.stdout.isatty() else 400).print(table)


def _row(item: FimFormat, registry: FormatRegistry) -> tuple[str, ...]:
    return (
        item.name,
        item.title,
        item.kind.value if item.fills_holes else "no holes",
        _order(item),
        "several" if item.file else "one",
        f"{item.context_tokens:,}",
        item.licence,
        item.commercial.value,
        "yes" if registry.allows(item.licence) else "no",
        item.notes,
    )


def _as_object(item: FimFormat, registry: FormatRegistry) -> dict[str, Any]:
    return {
        "format": item.name,
        "title": item.title,
        "models": list(item.models),
        "kind": item.kind.value,
        "order": _order(item),
        "several_files": bool(item.file),
        "template": item.template,
        "stop": list(item.stop),
        "stop_token_ids": list(item.stop_token_ids),
        **_what_may_differ(item, registry),
        "exceptions": [
            {"models": list(models), **_what_may_differ(differing, registry)} for models, differing in _exceptions(item)
        ],
    }


def _what_may_differ(item: FimFormat, registry: FormatRegistry) -> dict[str, Any]:
    return {
        "fills_holes": item.fills_holes,
        "context_tokens": item.context_tokens,
        "licence": item.licence,
        "commercial": item.commercial.value,
        "allowed": registry.allows(item.licence),
        "notes": item.notes,
    }


def _exceptions(item: FimFormat) -> Iterator[tuple[tuple[str, ...], FimFormat]]:
    for exception in item.exception:
        yield exception.models, item.differing(exception)


def _order(item: FimFormat) -> str:
    return "suffix-first" if item.suffix_first else "prefix-first"
