"""``hearth status``, ``hearth skips`` and ``hearth secrets``: what is in the index, and what was left out."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from indexer.api import overview
from indexer.api.snapshot import select_refs
from indexer.cli_options import IndexSettings
from indexer.store.catalog import Catalog, RefRecord
from indexer.terminal import visible_name
from indexer.types import IndexState, RefStatus, Scope, SkipReason

_PIPE_COLUMNS = 240
_COUNTS = frozenset({"files", "chunks", "skipped", "secrets"})
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def show_status(chosen: IndexSettings, *, as_json: bool) -> None:
    """Print every repository with its refs."""
    with overview.open_catalog(chosen.data) as catalog:
        repositories = overview.repositories(catalog, ask_source=True)
    if as_json:
        print_json([asdict(repository) for repository in repositories])
        return
    if not repositories:
        console().print("Nothing is indexed yet. Start with: hearth index REPO")
        return
    table = Table(box=None, pad_edge=False)
    for header in (
        "repository",
        "ref",
        "commit",
        "state",
        "files",
        "chunks",
        "skipped",
        "secrets",
        "indexed",
        "source",
    ):
        table.add_column(header, justify="right" if header in _COUNTS else "left")
    for repository in repositories:
        for number, ref in enumerate(repository.refs):
            table.add_row(
                escape(repository.name) if number == 0 else "",
                escape(ref.ref if len(ref.ref) < 40 else ref.ref[:12]),
                ref.commit[:12],
                escape(_state(ref)),
                f"{ref.files:,}",
                f"{ref.chunks:,}",
                f"{ref.skipped:,}",
                f"{ref.secrets:,}" + (f" + {ref.allowed_secrets:,} allowed" if ref.allowed_secrets else ""),
                _age(ref.indexed_at),
                escape(repository.source) if number == 0 else "",
            )
    console().print(table)


def show_skips(
    chosen: IndexSettings, repository: str | None, ref: str, reason: SkipReason | None, *, as_json: bool
) -> None:
    """Print what was left out of one repository, or of the default ref of each."""
    with overview.open_catalog(chosen.data) as catalog:
        refs = _selected(catalog, repository, ref)
        found = [skip for one in refs for skip in overview.skips(catalog, one) if reason in {None, skip.reason}]
    if as_json:
        print_json([asdict(skip) for skip in found])
        return
    output = console()
    table = Table(box=None, pad_edge=False)
    for header in ("reason", "repository", "path", "why"):
        table.add_column(header, overflow="fold")
    for skip in sorted(found, key=lambda item: (item.reason, item.repository, item.path)):
        table.add_row(skip.reason, escape(skip.repository), escape(visible_name(skip.path)), escape(skip.detail))
    if found:
        output.print(table)
    counts = Counter(skip.reason for skip in found)
    summary = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    output.print(f"{len(found):,} files left out{f': {summary}' if summary else ''}")


def show_secrets(chosen: IndexSettings, repository: str | None, ref: str, *, as_json: bool) -> None:
    """Print where the files of one repository, or of the default ref of each, have secrets, allowed ones last."""
    with overview.open_catalog(chosen.data) as catalog:
        refs = _selected(catalog, repository, ref)
        found = [secret for one in refs for secret in overview.secrets(catalog, one)]
    if as_json:
        print_json([asdict(secret) for secret in found])
        return
    output = console()
    table = Table(box=None, pad_edge=False)
    for header in ("rule", "repository", "place", ""):
        table.add_column(header, overflow="fold")
    for secret in sorted(found, key=lambda secret: secret.allowed):
        place = escape(f"{visible_name(secret.path)}:{secret.line}")
        table.add_row(secret.rule, escape(secret.repository), place, "allowed" if secret.allowed else "")
    if found:
        output.print(table)
    kept_out = [secret for secret in found if not secret.allowed]
    files = len({(secret.repository, secret.ref, secret.path) for secret in kept_out})
    allowed = len(found) - len(kept_out)
    output.print(
        f"{len(kept_out):,} secrets found in {files:,} files"
        + (f", and {allowed:,} that the settings allow" if allowed else "")
    )


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def console() -> Console:
    """Return standard output; into a pipe, rows are not cut to a terminal's width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_COLUMNS)


def _selected(catalog: Catalog, repository: str | None, ref: str) -> list[RefRecord]:
    """Return the chosen ref, or the default one of each repository."""
    refs = select_refs(catalog.refs(), Scope(None if repository is None else frozenset({repository}), ref))
    if repository is not None and not refs:
        raise overview.unknown_repository(repository, ref, catalog.statuses())
    return refs


def _state(ref: RefStatus) -> str:
    if ref.state is IndexState.FAILED:
        return f"failed: {ref.error}"
    if ref.state is IndexState.READY and ref.behind > 0:
        return f"{ref.behind} commit{'s' if ref.behind > 1 else ''} behind"
    return ref.state


def _age(at: float) -> str:
    if not at:
        return "never"
    seconds = max(time.time() - at, 0.0)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
