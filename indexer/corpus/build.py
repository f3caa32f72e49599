"""Builds the corpus of a ref; files that an earlier corpus holds already are neither read nor lexed again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.corpus.corpus import FILE_NAME, Corpus
from indexer.corpus.lexer import BOUNDARY, FIRST_WORD, Interner, lex, mark_indentation
from indexer.corpus.rests import hash_rests
from indexer.corpus.shape import FIRST_KEPT, IDENTIFIER, shape_of
from indexer.corpus.storage import write_sections
from indexer.corpus.suffix import sort_contexts
from indexer.corpus.vocabulary import Vocabulary
from indexer.errors import IndexCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_FREQUENT_KEPT = 300
"""So many of a repository's most frequent words keep their identity in the abstracted contexts, ..."""
_SHARE_KEPT = 0.01
"""... but no more than this share of them: in a small repository every word is among the most frequent."""
_MOST_KEPT = 60_000


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One file of the ref to build from.

    ``blob`` identifies the content (git's object id), and is empty for none; ``allowed`` names what of its secrets
    ``text`` has, which may be ``None`` when the previous corpus holds that text (see :func:`known_blobs`).
    """

    path: str
    language: str
    text: str | None
    blob: str = ""
    allowed: str = ""


@dataclass(slots=True)
class _Parts:
    """What is gathered file by file before the arrays are made."""

    tokens: list[npt.NDArray[np.int32]]
    starts: list[npt.NDArray[np.int32]]
    """Bytes, from the start of each file."""
    texts: list[bytes]
    files: list[dict[str, str]]
    token_starts: list[int]
    text_starts: list[int]


def content_name(blob: str, allowed: str) -> str:
    """Name a text of a corpus: that of a blob with some of its secrets allowed, or none."""
    return f"{blob}+{allowed}" if allowed else blob


def known_blobs(directory: Path | None) -> frozenset[str]:
    """Return the texts that need not be given again when ``directory`` is passed as ``previous``.

    They are named by :func:`content_name`.
    """
    if directory is None:
        return frozenset()
    try:
        with Corpus.open(directory, verify=True) as corpus:
            return frozenset(content_name(file.blob, file.allowed) for file in corpus.files if file.blob)
    except IndexCorrupt:
        return frozenset()


def build_corpus(files: Iterable[CorpusFile], directory: Path, *, previous: Path | None = None) -> int:
    """Build the corpus of ``files`` in ``directory``, atomically; return how many bytes it takes.

    Memory: about 15 bytes for each byte of source at the peak; the file takes 7. A blob is kept once for each path it
    stands at.

    Raises:
        IndexCorrupt: A file without text is not in ``previous``.
        DiskFull: There is no room; the corpus that stood there before still stands.
        DataDirectoryError: The directory cannot be written.
    """
    earlier = _open_previous(previous)
    try:
        interner = Interner()
        parts = _gather(files, interner, earlier)
    finally:
        if earlier is not None:
            earlier.corpus.close()
    sections = _arrange(parts, interner)
    del parts, interner
    tokens, shapes = sections["tokens"], sections["shapes"]
    sections["rest_keys"], sections["rest_sizes"] = hash_rests(tokens)
    sections["order"] = sort_contexts(tokens)
    sections["shape_order"] = sort_contexts(shapes)
    target = directory / FILE_NAME
    write_sections(target, sections)
    return target.stat().st_size


@dataclass(slots=True)
class _Previous:
    corpus: Corpus
    by_content: dict[str, int]
    translation: npt.NDArray[np.int32]
    """This build's ids by the earlier corpus' ids; -1 where a word has not been met."""

    def file(self, number: int, interner: Interner) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], bytes]:
        tokens, starts, text = self.corpus.file_parts(number)
        for identity in np.unique(tokens[self.translation[tokens] < 0]).tolist():
            self.translation[identity] = interner[self.corpus.vocabulary.word(identity)]
        return self.translation[tokens], starts, text


def _open_previous(directory: Path | None) -> _Previous | None:
    if directory is None:
        return None
    try:
        # Damage that is copied would get a checksum of its own.
        corpus = Corpus.open(directory, verify=True)
    except IndexCorrupt:
        # A damaged corpus is no reason to fail: it is about to be replaced.
        return None
    translation = np.full(corpus.vocabulary.size, -1, dtype=np.int32)
    translation[:FIRST_WORD] = np.arange(FIRST_WORD)
    by_content = {content_name(file.blob, file.allowed): n for n, file in enumerate(corpus.files) if file.blob}
    return _Previous(corpus, by_content, translation)


def _gather(files: Iterable[CorpusFile], interner: Interner, earlier: _Previous | None) -> _Parts:
    parts = _Parts([], [], [], [], [], [])
    tokens_so_far = bytes_so_far = 0
    for file in files:
        content = content_name(file.blob, file.allowed)
        number = earlier.by_content.get(content) if earlier is not None and file.blob else None
        if earlier is not None and number is not None:
            ids, starts, text = earlier.file(number, interner)
        elif file.text is None:
            raise IndexCorrupt(
                f"The text of {file.path} is not in the previous corpus", advice="Build the corpus from all files"
            )
        else:
            ids, starts, text = _lex_file(file.text, interner)
        parts.tokens.append(ids)
        parts.starts.append(starts.astype(np.int32))
        parts.texts.append(text)
        allowed = {"allowed": file.allowed} if file.allowed else {}
        parts.files.append({"path": file.path, "language": file.language, "blob": file.blob, **allowed})
        parts.token_starts.append(tokens_so_far)
        parts.text_starts.append(bytes_so_far)
        tokens_so_far += len(ids)
        bytes_so_far += len(text)
    parts.token_starts.append(tokens_so_far)
    parts.text_starts.append(bytes_so_far)
    return parts


def _lex_file(text: str, interner: Interner) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], bytes]:
    """Return tokens (a boundary first), the byte offset at which each starts, and the text in UTF-8."""
    lexed = lex(text, interner)
    ids = np.empty(len(lexed.ids) + 1, dtype=np.int32)
    ids[0] = BOUNDARY
    ids[1:] = lexed.ids
    if len(lexed.breaks):
        ids[lexed.breaks + 1] = mark_indentation(lexed.widths.tolist(), [0])
    encoded = text.encode("utf-8", "surrogatepass")
    starts = np.zeros(len(ids), dtype=np.int64)
    starts[1:] = lexed.starts
    if len(encoded) != len(text):
        sizes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        widths = 1 + (sizes >= 0x80).astype(np.int64) + (sizes >= 0x800) + (sizes >= 0x10000)
        offsets = np.concatenate(([0], np.cumsum(widths)))
        starts = offsets[starts]
    return ids, starts, encoded


def _arrange(parts: _Parts, interner: Interner) -> dict[str, npt.NDArray[Any]]:
    """Renumber the words in sorted order and lay everything out as arrays."""
    tokens = np.concatenate(parts.tokens) if parts.tokens else np.empty(0, dtype=np.int32)
    parts.tokens.clear()
    starts = _absolute(parts)
    met = np.bincount(tokens, minlength=FIRST_WORD + len(interner.texts))
    words = sorted(
        (text.encode("utf-8", "surrogatepass"), FIRST_WORD + place)
        for place, text in enumerate(interner.texts)
        if met[FIRST_WORD + place]
    )
    renumbered = np.zeros(len(met), dtype=np.int32)
    renumbered[:FIRST_WORD] = np.arange(FIRST_WORD)
    for rank, (_, identity) in enumerate(words):
        renumbered[identity] = FIRST_WORD + rank
    np.take(renumbered, tokens, out=tokens, mode="clip")
    source = b"".join(parts.texts)
    parts.texts.clear()
    text, offsets = Vocabulary.pack([word for word, _ in words])
    counts = np.bincount(tokens, minlength=FIRST_WORD + len(words))
    shape_of_word = _shapes([word for word, _ in words], counts)
    shapes = shape_of_word[tokens]
    described = json.dumps(parts.files, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return {
        "files": np.frombuffer(described, dtype=np.uint8),
        "file_tokens": np.array(parts.token_starts, dtype=np.int64),
        "file_text": np.array(parts.text_starts, dtype=np.int64),
        "text": np.frombuffer(source, dtype=np.uint8),
        "tokens": tokens,
        "starts": starts,
        "words": text,
        "word_offsets": offsets,
        "bounds": _bounds(counts),
        "shapes": shapes,
        "shape_of_word": shape_of_word,
        "shape_bounds": _bounds(np.bincount(shapes, minlength=FIRST_KEPT)),
    }


def _absolute(parts: _Parts) -> npt.NDArray[Any]:
    """Return the byte at which each token starts, counted from the start of all text."""
    starts = np.empty(parts.token_starts[-1], dtype=np.uint32 if parts.text_starts[-1] < 1 << 32 else np.uint64)
    for number, part in enumerate(parts.starts):
        first = parts.token_starts[number]
        starts[first : first + len(part)] = part.astype(starts.dtype) + starts.dtype.type(parts.text_starts[number])
    parts.starts.clear()
    return starts


def _shapes(words: list[bytes], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Return the abstract id of each word id; uint16[size]."""
    shapes = np.zeros(FIRST_WORD + len(words), dtype=np.uint16)
    shapes[:FIRST_WORD] = np.arange(FIRST_WORD)
    frequent: set[int] = set()
    if len(words):
        among = counts[FIRST_WORD:]
        most = min(_MOST_FREQUENT_KEPT, int(_SHARE_KEPT * len(words)))
        frequent = set(np.argsort(-among, kind="stable")[:most].tolist())
    kept = FIRST_KEPT
    for place, word in enumerate(words):
        shape = shape_of(word.decode("utf-8", "surrogatepass"))
        if shape == 0 or place in frequent:
            if kept < _MOST_KEPT:
                shapes[FIRST_WORD + place] = kept
                kept += 1
                continue
            shape = IDENTIFIER
        shapes[FIRST_WORD + place] = shape
    return shapes


def _bounds(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(counts)))
