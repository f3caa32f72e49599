"""What a commit's tree asks for: files to leave out, and blobs to have."""

from __future__ import annotations

from dataclasses import dataclass, field

from attrs import evolve

from indexer.config import IndexConfig
from indexer.diff import IGNORE_FILE, MISSING_SIZE, GitSource, IgnoreRules
from indexer.parse import decode, skip_path
from indexer.secrets import Allowances
from indexer.store.blobs import BlobKey
from indexer.types import SkipReason, TreeEntry
from indexer.worker.reading import blob_hint


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob that at least one file of the tree needs; ``path`` is one of its places.

    ``allowed`` are the rules whose findings are no secrets there.
    """

    key: BlobKey
    path: str
    size: int
    allowed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Plan:
    """A commit's files: ``files`` maps a path to its blob, ``skips`` to the reason it is left out."""

    files: dict[str, BlobKey] = field(default_factory=dict)
    skips: dict[str, tuple[SkipReason, str]] = field(default_factory=dict)
    wanted: dict[BlobKey, Wanted] = field(default_factory=dict)


def make_plan(source: GitSource, commit: str, config: IndexConfig, repository: str) -> Plan:
    """List a commit's tree and decide by paths, sizes, ``.hearthignore`` and what the settings allow alone.

    Args:
        source: The repository.
        commit: The commit.
        config: Settings.
        repository: Name in the index.
    """
    entries = list(source.tree(commit))
    rules = _ignore_rules(source, entries, config)
    allowances = Allowances(config.allowed_secrets if config.secrets else ())
    trusting = evolve(config, secrets=False)
    plan = Plan()
    for entry in entries:
        allowed = allowances.rules_at(repository, entry.path)
        everything = bool(allowed) and allowances.is_everything(allowed)
        skip = _skip(entry, rules, trusting if everything else config)
        if skip is not None:
            plan.skips[entry.path] = skip
            continue
        key = BlobKey(entry.blob, blob_hint(entry.path, "*" if everything else ",".join(sorted(allowed))))
        plan.files[entry.path] = key
        if key not in plan.wanted:
            plan.wanted[key] = Wanted(key, entry.path, entry.size, allowed)
    return plan


def _skip(entry: TreeEntry, rules: IgnoreRules, config: IndexConfig) -> tuple[SkipReason, str] | None:
    ignored_by = rules.ignored_by(entry.path)
    if ignored_by:
        return SkipReason.IGNORED, f"by {ignored_by}"
    if entry.size == MISSING_SIZE:
        return SkipReason.MISSING, f"object {entry.blob} is not in this clone"
    skip = skip_path(entry.path, entry.mode, entry.size, config)
    return (skip.reason, skip.detail) if skip is not None else None


def _ignore_rules(source: GitSource, entries: list[TreeEntry], config: IndexConfig) -> IgnoreRules:
    files = {
        entry.path: entry.blob
        for entry in entries
        if entry.path.rpartition("/")[2] == IGNORE_FILE and 0 < entry.size <= config.max_file_bytes
    }
    contents = {blob: data for blob, data in source.read_blobs(set(files.values())) if data} if files else {}
    return IgnoreRules.from_files({path: decode(contents.get(blob, b"")) or "" for path, blob in files.items()})
