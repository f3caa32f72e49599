"""What the scanner of secrets finds: new secrets of every rule in text of all sorts, and in files that have none.

``python -m benchmarks.secrets [--repo PATH]... [--secrets N]``. Recall is the share of secrets that are covered as a
whole; a finding in their surroundings counts against precision. In repositories, whose secrets nobody has counted,
every finding is one to look at: ``--list`` names their places, never their text.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import environment, write
from benchmarks.secrets.planted import MAKERS, Planted
from indexer.config import IndexConfig
from indexer.diff import GitSource
from indexer.parse import decode, skip_content, skip_path
from indexer.secrets import find_secrets

_AROUND = (
    "def total(prices: list[float]) -> float:",
    "    return round(sum(price * quantity for price, quantity in zip(prices, quantities)), 2)",
    "const server = createServer({ host: options.host, port: Number(options.port) });",
    'log.info("user {} signed in from {}", user.getName(), request.getRemoteAddr());',
    "# The key of the cache is the digest of the request, see docs/cache.md.",
    "  replicas: 3",
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    'checksum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
    "index 83db48f84ec878fbfb30b46d16630e944e34f205..aa2b1c4d3f",
    '  "integrity": "sha512-2rRLQ0mXUoWgB8TOpFo5WZ2kZJ1Y5KQqf1yGJvR0kSxwO0kG4nqYb3kV9eY1m5s6o7q8r9s0t1u2v3w4x5y6zA==",',
    "password = getpass.getpass()",
    "token = request.headers['Authorization']",
    "uuid: 123e4567-e89b-12d3-a456-426614174000",
    "",
)
_INDENTS = ("", "  ", "    ", "\t", "        ")


@dataclass(slots=True)
class _Rule:
    planted: int = 0
    found: int = 0
    named: int = 0


@dataclass(slots=True)
class _Repository:
    name: str
    files: int = 0
    megabytes: float = 0.0
    seconds: float = 0.0
    rules: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.secrets", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, action="append", default=[], help="a git repository; may be repeated")
    parser.add_argument("--secrets", type=int, default=200, help="how many of each rule [default: 200]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the place of every finding in the repositories")
    parser.add_argument("--output", type=Path, help="file for the JSON [default: in benchmarks/results/]")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of tables")
    options = parser.parse_args()
    rules, beside = _plant(options.secrets, options.seed)
    repositories = [_read(path) for path in options.repo]
    result = {**environment(), "secrets_per_rule": options.secrets, "seed": options.seed} | _values(
        rules, beside, repositories
    )
    path = write("secrets", result, options.output)
    if options.json:
        print(json.dumps(result))
        return 0
    _print(rules, result, repositories)
    if options.list:
        for repository in repositories:
            for place in repository.places:
                print(f"{repository.name}: {place}")
    print(f"written to {path}")
    return 0


def _plant(count: int, seed: int) -> tuple[dict[str, _Rule], int]:
    """Return what was found of ``count`` secrets of each rule, and how many findings lay beside them."""
    rules, beside = {rule: _Rule() for rule in MAKERS}, 0
    for rule, make in MAKERS.items():
        chance = random.Random(f"{rule} {seed}")
        for _ in range(count):
            secret, template = make(chance)
            text, start = _surrounded(Planted(rule, secret, template.replace("SECRET", secret)), chance)
            end = start + len(secret)
            found = find_secrets(text)
            over = [finding for finding in found if finding.start < end and finding.end > start]
            rules[rule].planted += 1
            rules[rule].found += any(finding.start <= start and finding.end >= end for finding in over)
            rules[rule].named += any(finding.rule == rule for finding in over)
            beside += len(found) - len(over)
    return rules, beside


def _surrounded(planted: Planted, chance: random.Random) -> tuple[str, int]:
    """Return a text with the secret somewhere in it, and where it begins there."""
    above = [chance.choice(_AROUND) for _ in range(chance.randrange(12))]
    below = [chance.choice(_AROUND) for _ in range(chance.randrange(12))]
    line_end = chance.choice(("\n", "\n", "\r\n"))
    indent = "" if "\n" in planted.line else chance.choice(_INDENTS)
    before = line_end.join([*above, ""]) + indent
    # What stands bare at the end of a line of settings is followed by a comment at most.
    ends = ("", ",", ";", "  # as agreed") if planted.line.endswith('"') else ("", "  # as agreed")
    line = planted.line if "\n" in planted.line else planted.line + chance.choice(ends)
    text = before + line + line_end.join(["", *below])
    return text, len(before) + planted.line.index(planted.secret)


def _read(path: Path) -> _Repository:
    """Look for secrets in every file that the index would take."""
    source = GitSource.open(path)
    read = _Repository(str(path))
    config = IndexConfig()
    for name, text in _texts(source, config):
        started = time.perf_counter()
        found = find_secrets(text)
        read.seconds += time.perf_counter() - started
        read.files += 1
        read.megabytes += len(text) / 1e6
        for finding in found:
            read.rules[finding.rule] += 1
            read.places.append(f"{name}:{text.count(chr(10), 0, finding.start) + 1}: {finding.rule}")
    return read


def _texts(source: GitSource, config: IndexConfig) -> Iterator[tuple[str, str]]:
    paths: dict[str, str] = {}
    for entry in source.tree(source.resolve(source.default_ref())):
        if skip_path(entry.path, entry.mode, entry.size, config) is None:
            paths.setdefault(entry.blob, entry.path)
    for blob, data in source.read_blobs(paths):
        if data is not None and skip_content(data, config) is None:
            text = decode(data)
            if text is not None:
                yield paths[blob], text


def _values(rules: dict[str, _Rule], beside: int, repositories: list[_Repository]) -> dict[str, Any]:
    planted, found = sum(rule.planted for rule in rules.values()), sum(rule.found for rule in rules.values())
    return {
        "recall": round(found / planted, 4) if planted else 0.0,
        "precision": round(found / (found + beside), 4) if found else 0.0,
        "rules": {
            name: {"planted": rule.planted, "found": rule.found, "named": rule.named} for name, rule in rules.items()
        },
        "repositories": [
            {
                "name": one.name,
                "files": one.files,
                "megabytes": round(one.megabytes, 2),
                "megabytes_per_second": round(one.megabytes / one.seconds, 1) if one.seconds else 0.0,
                "findings": sum(one.rules.values()),
                "findings_per_1000_files": round(sum(one.rules.values()) / one.files * 1000, 2) if one.files else 0.0,
                "rules": dict(one.rules.most_common()),
            }
            for one in repositories
        ],
    }


def _print(rules: dict[str, _Rule], result: dict[str, Any], repositories: list[_Repository]) -> None:
    console = Console()
    table = Table("rule", "planted", "found", "by this rule", title="secrets in text of all sorts")
    for name, rule in rules.items():
        table.add_row(name, f"{rule.planted:,}", f"{rule.found / rule.planted:.1%}", f"{rule.named / rule.planted:.1%}")
    console.print(table)
    console.print(f"recall {result['recall']:.2%}, precision {result['precision']:.2%}")
    if repositories:
        table = Table("repository", "files", "MB/s", "findings", "per 1,000 files", "rules", title="findings in files")
        for one in result["repositories"]:
            told = ", ".join(f"{rule} {count}" for rule, count in one["rules"].items())
            table.add_row(
                one["name"],
                f"{one['files']:,}",
                f"{one['megabytes_per_second']:.1f}",
                f"{one['findings']:,}",
                f"{one['findings_per_1000_files']:.2f}",
                told,
            )
        console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
