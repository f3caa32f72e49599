"""Random cursors in files that are held out of a repository's corpus."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.corpus import Corpus, CorpusFile, build_corpus
from indexer.diff.source import GitSource
from indexer.parse.decoding import decode
from indexer.parse.languages import detect_language, language_spec
from server.types import CompletionRequest

_LARGEST = 400_000
_HELD_OUT = 0.1
_TOKEN = re.compile(r"\w+|[^\w\s]")
_FILES_OF_SMALL = 40
SMALL = "small repository"
_SYMLINK, _SUBMODULE = 0o120000, 0o160000

VARIANTS = ("full", "no suffix", "open file only", "flat", "line end", SMALL)
"""What a cursor's surroundings are: all; no text below; no corpus; one line of tokens; a finished line; all, but of a
small repository."""
_SHARES = (0.5, 0.12, 0.14, 0.14, 0.1)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One text file of a repository's HEAD."""

    path: str
    language: str
    blob: str
    text: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a held-out file and what really follows on its line."""

    request: CompletionRequest
    truth: str
    variant: str
    at_line_start: bool


def read_repository(path: Path) -> list[SourceFile]:
    """Return the text files of HEAD, none above 400 kB."""
    source = GitSource.open(path)
    entries: dict[str, list[str]] = {}
    for entry in source.tree(source.resolve("HEAD")):
        if entry.mode not in {_SYMLINK, _SUBMODULE} and 0 < entry.size <= _LARGEST:
            entries.setdefault(entry.blob, []).append(entry.path)
    files: list[SourceFile] = []
    for blob, data in source.read_blobs(entries):
        text = decode(data) if data is not None and b"\0" not in data[:8000] else None
        if data is not None and text:
            files += [SourceFile(name, detect_language(name, data[:200]), blob, text) for name in entries[blob]]
    return sorted(files, key=lambda file: file.path)


def hold_out(files: list[SourceFile], seed: int, directory: Path) -> tuple[list[SourceFile], Corpus]:
    """Take a tenth of the source files out and build the corpus of the others in ``directory``."""
    chance = random.Random(seed)
    written = [file for file in files if language_spec(file.language) is not None and file.text.count("\n") >= 10]
    count = max(3, int(len(written) * _HELD_OUT))
    held = chance.sample(written, min(count, len(written)))
    paths = {file.path for file in held}
    blobs = {file.blob for file in held}
    rest = (file for file in files if file.path not in paths and file.blob not in blobs)
    build_corpus((CorpusFile(file.path, file.language, file.text, file.blob) for file in rest), directory)
    return held, Corpus.open(directory)


def part_of(files: list[SourceFile], seed: int) -> list[SourceFile]:
    """Return some files that stand side by side, as a small repository of its own."""
    first = random.Random(seed).randrange(max(1, len(files) - _FILES_OF_SMALL))
    return files[first : first + _FILES_OF_SMALL]


def draw(held: list[SourceFile], count: int, seed: int, repository: str) -> Iterator[Cursor]:
    """Yield ``count`` cursors: half at the start of a line, half inside one, with at least 3 characters left."""
    chance = random.Random(seed)
    weights = [file.text.count("\n") ** 0.5 for file in held]
    made = tried = 0
    while made < count and tried < 50 * count:
        tried += 1
        file = chance.choices(held, weights)[0]
        variant = chance.choices(VARIANTS[:-1], _SHARES)[0]
        cursor = _cursor(file, variant, made % 2 == 0, chance, repository)
        if cursor is not None:
            made += 1
            yield cursor


def _cursor(
    file: SourceFile, variant: str, at_line_start: bool, chance: random.Random, repository: str
) -> Cursor | None:
    lines = file.text.split("\n")
    number = chance.randrange(len(lines))
    if variant == "flat":
        return _flat_cursor(file, number, lines, chance)
    line = lines[number].removesuffix("\r")
    bare = len(line) - len(line.lstrip())
    # An editor may leave the cursor in the first column, the indentation being still to come.
    column = 0 if at_line_start and chance.random() < 0.15 else bare
    if variant == "line end":
        column = len(line)
        at_line_start = False
    elif not at_line_start:
        places = [match.start() for match in _TOKEN.finditer(line)] + [match.end() for match in _TOKEN.finditer(line)]
        places += [chance.randrange(bare, len(line)) for _ in range(3)] if bare < len(line) else []
        places = [place for place in places if place > bare]
        if not places:
            return None
        column = chance.choice(places)
    truth = line[column:].rstrip()
    if variant == "line end":
        if not line.strip():
            return None
    elif len(truth.strip()) < 3:
        return None
    prefix = "\n".join([*lines[:number], line[:column]])
    blind = variant == "no suffix" or (variant == "open file only" and chance.random() < 0.4)
    suffix = "" if blind else "\n".join(["", *lines[number + 1 :]])
    request = CompletionRequest(
        file.path, file.language, prefix, suffix, repository="" if variant == "open file only" else repository
    )
    return Cursor(request, truth, variant, at_line_start)


def _flat_cursor(file: SourceFile, number: int, lines: list[str], chance: random.Random) -> Cursor | None:
    """Spell the file up to the cursor as tokens on one line, as tools for language models do."""
    marked = chance.random() < 0.5
    above = [" ".join(_TOKEN.findall(line)) for line in lines[max(0, number - 400) : number] if line.strip()]
    tokens = _TOKEN.findall(lines[number])
    if len(above) < 3 or len(tokens) < 2:
        return None
    cut = chance.randrange(len(tokens)) if chance.random() < 0.5 else 0
    if marked:
        prefix = " <EOL> ".join([*above, " ".join(tokens[:cut])]).rstrip()
        truth = " ".join(tokens[cut:])
    else:
        # Statements end at a semicolon or a closing brace; a line's end is no token.
        text = " ".join([*above, *tokens[:cut]])
        following = tokens[cut:] + [token for line in lines[number + 1 : number + 6] for token in _TOKEN.findall(line)]
        end = next((place for place, token in enumerate(following) if token in {";", "}"}), None)
        if end is None or ";" not in text:
            return None
        prefix, truth = text, " ".join(following[: end + 1])
    if len(truth) < 3:
        return None
    return Cursor(CompletionRequest(file.path, file.language, prefix, ""), truth, "flat", cut == 0)
