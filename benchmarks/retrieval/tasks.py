"""Cases drawn from what a repository says about itself."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.retrieval.scoring import Case, Gold
from indexer.config import IndexConfig
from indexer.parse import decode, detect_language, outline, parse, skip_content, skip_path
from indexer.types import SymbolKind

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? ", re.MULTILINE)
_TRAILER = re.compile(r"(?im)^(?:signed-off-by|co-authored-by|reviewed-by|change-id|closes|fixes|refs?|see)\b:?.*$")
_NUMBER = re.compile(r"\(?#\d+\)?")
_NOISE = re.compile(r"(?i)^(?:bump|merge|release|revert|version|update dep|(?:chore|build|fix)\(deps)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_TEST = re.compile(r"(?i)(?:^|/)tests?(?:/|_)|_test\.|\.test\.|\.spec\.|test_")
_COMMENT = re.compile(r"\s*(?://|/\*|\*|#(?!\[)|--)")
_DOCSTRING = re.compile(r"[rRuUbB]{0,2}(\"\"\"|''').*?\1", re.DOTALL)
_CONFIG = IndexConfig()
_LOG_COMMITS = 3000
_MAX_FILES = 6
_MIN_WORDS, _MAX_WORDS = 5, 60


@dataclass(frozen=True, slots=True)
class Task:
    """Cases of one kind, where to index them from, and what was left out why."""

    name: str
    repository: Path
    cases: tuple[Case, ...]
    refs: tuple[str, ...] = ()
    excluded: Counter[str] = field(default_factory=Counter)


def commit_task(repository: Path, wanted: int, seed: int) -> Task:
    """Commit message → lines that the commit changed, searched at its parent."""
    name = f"commits of {_label(repository)}"
    excluded: Counter[str] = Counter()
    log = _git(
        repository,
        "log",
        f"-{_LOG_COMMITS}",
        "--no-merges",
        "--diff-filter=M",
        "--name-only",
        "--format=%x01%H%x02%P%x02%B%x02",
    )
    found: list[tuple[str, str, str, list[str]]] = []
    for record in log.split("\x01")[1:]:
        commit, parents, message, names = record.split("\x02")
        query = _NUMBER.sub("", _TRAILER.sub("", message)).strip()[:1000]
        files = [path for path in names.strip().split("\n") if path]
        if _NOISE.match(query) or not len(_WORD.findall(query)) >= _MIN_WORDS - 1:
            excluded["message says nothing"] += 1
        elif not 1 <= len(files) <= _MAX_FILES:
            excluded[f"changes no file or more than {_MAX_FILES}"] += 1
        elif not parents.strip():
            excluded["no parent"] += 1
        else:
            found.append((commit, parents.split()[0], query, files))
    random.Random(seed).shuffle(found)
    cases: list[Case] = []
    for commit, parent, query, files in found[:wanted]:
        gold = [gold for path in files for gold in _changed(repository, parent, commit, path)]
        if gold:
            cases.append(Case(query, name, tuple(gold), parent))
        else:
            excluded["changes no text"] += 1
    return Task(name, repository, tuple(cases), tuple(dict.fromkeys(case.ref for case in cases)), excluded)


def documentation_task(repository: Path, wanted: int, seed: int, scratch: Path, *, mask_names: bool) -> Task:
    """First sentence of a function's documentation → the function, with the documentation of all functions removed.

    Functions of tests are left out. With ``mask_names`` the name is replaced in the functions that are asked for.
    """
    name = f"{'masked ' if mask_names else ''}documentation of {_label(repository)}"
    excluded: Counter[str] = Counter()
    texts: dict[str, list[str]] = {}
    found: list[tuple[str, str, Gold, str]] = []
    for path, text in _files(repository, excluded):
        texts[path] = text.split("\n")
        found += _documented(path, text, texts[path], excluded)
    random.Random(seed).shuffle(found)
    chosen = found[:wanted]
    if mask_names:
        for path, _, gold, symbol in chosen:
            for row in range(gold.start_line - 1, gold.end_line):
                texts[path][row] = re.sub(rf"\b{re.escape(symbol)}\b", "f", texts[path][row])
    target = _commit_all(scratch / name.replace(" ", "-"), {path: "\n".join(lines) for path, lines in texts.items()})
    return Task(name, target, tuple(Case(query, name, (gold,)) for _, query, gold, _ in chosen), (), excluded)


def contextual_task(folder: Path, scratch: Path) -> Task:
    """Questions with the chunks that answer them: ``codebase_chunks.json`` and ``evaluation_set.jsonl`` in a folder."""
    documents = {
        item["original_uuid"]: item["content"] for item in json.loads((folder / "codebase_chunks.json").read_text())
    }
    questions = [
        json.loads(line) for line in (folder / "evaluation_set.jsonl").read_text().splitlines() if line.strip()
    ]
    paths = {
        item["uuid"]: item["meta"]["repo_name"] + item["meta"]["relative_path"]
        for question in questions
        for item in question["golden_documents"]
    }
    excluded: Counter[str] = Counter()
    cases: list[Case] = []
    for question in questions:
        gold: list[Gold] = []
        for item in question["golden_chunks"]:
            text, part = documents[item["doc_uuid"]], item["content"].strip()
            start = text.find(part)
            if start < 0:
                excluded["gold is not in its document"] += 1
                continue
            first = text.count("\n", 0, start) + 1
            gold.append(Gold(paths[item["doc_uuid"]], first, first + part.count("\n")))
        if gold:
            cases.append(Case(question["query"], "contextual", tuple(gold)))
    files = {paths.get(key, f"other/{number}.txt"): text for number, (key, text) in enumerate(documents.items())}
    return Task("contextual", _commit_all(scratch / "contextual", files), tuple(cases), (), excluded)


def _label(repository: Path) -> str:
    """Name a repository; a bare one inside a folder of its own is named by the folder."""
    return repository.parent.name if repository.name in {"repo", "repo.git", ".git"} else repository.name


def _documented(path: str, text: str, lines: list[str], excluded: Counter[str]) -> Iterable[tuple[str, str, Gold, str]]:
    """Blank the documentation of every function in ``lines`` and yield ``(path, query, gold, name)`` of each."""
    language = detect_language(path, text[:4096].encode("utf-8", "replace"))
    source = text.encode("utf-8", "surrogatepass")
    tree = parse(source, language)
    if tree is None or _TEST.search(path):
        return
    for definition in outline(tree, source, language).definitions:
        symbol = definition.symbol
        if symbol.kind not in {SymbolKind.FUNCTION, SymbolKind.METHOD} or not symbol.documentation:
            continue
        rows = _documentation_rows(text, language, symbol.start_line, symbol.end_line, definition.outer_row)
        for row in rows:
            lines[row] = ""
        query = _first_sentence(symbol.documentation)
        if not rows:
            excluded["documentation shares its lines with code"] += 1
        elif not _MIN_WORDS <= len(_WORD.findall(query)) <= _MAX_WORDS:
            excluded["sentence too short or too long"] += 1
        elif symbol.end_line - symbol.start_line < _MIN_WORDS - 1:
            excluded["function of less than five lines"] += 1
        else:
            yield path, query, Gold(path, symbol.start_line, symbol.end_line), symbol.name


def _documentation_rows(text: str, language: str, start_line: int, end_line: int, outer_row: int) -> list[int]:
    lines = text.split("\n")
    if language == "python":
        body = "\n".join(lines[start_line - 1 : end_line])
        match = _DOCSTRING.search(body)
        if match is None:
            return []
        first = start_line - 1 + body.count("\n", 0, match.start())
        return list(range(first, first + match.group().count("\n") + 1))
    return [row for row in range(outer_row, start_line - 1) if _COMMENT.match(lines[row])]


def _first_sentence(documentation: str) -> str:
    paragraph = " ".join(documentation.split("\n\n", maxsplit=1)[0].split())
    match = re.match(r"(.+?[.!?])(?:\s|$)", paragraph)
    return (match.group(1) if match else paragraph)[:400]


def _changed(repository: Path, parent: str, commit: str, path: str) -> list[Gold]:
    diff = _git(repository, "diff", "--unified=0", "--no-color", "--no-ext-diff", parent, commit, "--", path)
    ranges = ((int(match[1]), int(match[2] or 1)) for match in _HUNK.finditer(diff))
    # A pure insertion is looked for at the line that it follows.
    return [Gold(path, max(1, first), max(1, first) + max(0, count - 1)) for first, count in ranges]


def _files(repository: Path, excluded: Counter[str]) -> Iterable[tuple[str, str]]:
    listing = _git(repository, "ls-tree", "-r", "-l", "-z", "HEAD")
    for entry in filter(None, listing.split("\0")):
        meta, path = entry.split("\t", 1)
        mode, kind, blob, size = meta.split()
        if kind != "blob" or skip_path(path, int(mode, 8), int(size), _CONFIG):
            continue
        data = subprocess.run(
            ["git", "-C", str(repository), "cat-file", "blob", blob], check=True, capture_output=True
        ).stdout
        text = None if skip_content(data, _CONFIG) else decode(data)
        if text is None:
            excluded["file is not indexed"] += 1
        else:
            yield path, text


def _commit_all(target: Path, files: dict[str, str]) -> Path:
    target.mkdir(parents=True)
    for path, text in files.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
    _git(target, "init", "--quiet")
    _git(target, "add", "--all", "--force")
    identity = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.invalid", "-c", "commit.gpgsign=false"]
    _git(target, *identity, "commit", "--quiet", "--no-verify", "--message", "benchmark")
    return target


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")
