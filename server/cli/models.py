"""``hearth models``."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from server.cli.output import print_json
from server.prompt import FormatRegistry


def show(*, as_json: bool) -> None:
    """Print the families of models whose prompts Hearth can write."""
    formats = FormatRegistry.built_in().all()
    if as_json:
        print_json(
            {
                "models": [
                    {
                        "format": item.name,
                        "title": item.title,
                        "models": list(item.models),
                        "kind": item.kind.value,
                        "order": "suffix-first" if item.suffix_first else "prefix-first",
                        "several_files": bool(item.file),
                        "context_tokens": item.context_tokens,
                        "licence": item.licence,
                        "commercial": item.commercial,
                        "notes": item.notes,
                    }
                    for item in formats
                ]
            }
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("format", "family", "order", "context", "licence", "commercial", "notes"):
        table.add_column(heading, no_wrap=heading == "format")
    for item in formats:
        order = "suffix-first" if item.suffix_first else "prefix-first"
        table.add_row(
            item.name, item.title, order, f"{item.context_tokens:,}", item.licence, item.commercial, item.notes
        )
    # In a pipe nothing is cut: there is no terminal whose width would matter.
    Console(width=None if sys.stdout.isatty() else 400).print(table)
