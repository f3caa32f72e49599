"""Reads a corpus: its files, and the places of a context in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from indexer.corpus.lexer import BOUNDARY, FIRST_WORD, is_newline
from indexer.corpus.storage import read_sections
from indexer.corpus.suffix import Span, narrow
from indexer.corpus.vocabulary import Vocabulary
from indexer.errors import IndexCorrupt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

FILE_NAME = "corpus.bin"
_LONGEST_LINE = 400
"""Bytes of a line that are ever copied."""

_EMPTY: dict[str, npt.NDArray[Any]] = {
    "files": np.frombuffer(b"[]", dtype=np.uint8),
    "file_tokens": np.zeros(1, dtype=np.int64),
    "file_text": np.zeros(1, dtype=np.int64),
    "text": np.empty(0, dtype=np.uint8),
    "tokens": np.empty(0, dtype=np.int32),
    "starts": np.empty(0, dtype=np.uint32),
    "words": np.empty(0, dtype=np.uint8),
    "word_offsets": np.zeros(1, dtype=np.uint32),
    "bounds": np.zeros(FIRST_WORD + 1, dtype=np.int64),
    "shapes": np.empty(0, dtype=np.uint16),
    "shape_of_word": np.arange(FIRST_WORD, dtype=np.uint16),
    "shape_bounds": np.zeros(FIRST_WORD + 1, dtype=np.int64),
    "order": np.empty(0, dtype=np.int32),
    "shape_order": np.empty(0, dtype=np.int32),
    "rest_keys": np.empty(0, dtype=np.uint32),
    "rest_sizes": np.empty(0, dtype=np.uint8),
}


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One file of the corpus, as :class:`indexer.corpus.CorpusFile` was."""

    path: str
    language: str
    blob: str
    allowed: str = ""


class Corpus:
    """The tokens of one repository at one ref. Thread-safe: nothing in it changes.

    Attributes:
        files: In the order in which they were given.
        vocabulary: Its words.
        tokens: int32[n], every file after a ``BOUNDARY``.
        shapes: uint16[n], the same with rare identifiers abstracted.
        shape_of_word: uint16[vocabulary.size].
        rest_keys: uint32[n], a hash of what follows each token on its line.
        rest_sizes: uint8[n], how many tokens that is, 255 for more.
    """

    def __init__(self, sections: dict[str, npt.NDArray[Any]]) -> None:
        try:
            described = json.loads(sections["files"].tobytes().decode("utf-8", "surrogatepass"))
            self.files = tuple(IndexedFile(**file) for file in described)
            self.vocabulary = Vocabulary(sections["words"], sections["word_offsets"])
            self.tokens: npt.NDArray[np.int32] = sections["tokens"]
            self.shapes: npt.NDArray[np.uint16] = sections["shapes"]
            self.shape_of_word: npt.NDArray[np.uint16] = sections["shape_of_word"]
            self._starts = sections["starts"]
            self._text = sections["text"].data
            self._file_tokens: npt.NDArray[np.int64] = sections["file_tokens"]
            self._file_text: npt.NDArray[np.int64] = sections["file_text"]
            self._bounds, self._shape_bounds = sections["bounds"], sections["shape_bounds"]
            self.rest_keys: npt.NDArray[np.uint32] = sections["rest_keys"]
            self.rest_sizes: npt.NDArray[np.uint8] = sections["rest_sizes"]
            self._order, self._shape_order = sections["order"], sections["shape_order"]
        except (KeyError, TypeError, ValueError) as error:
            raise IndexCorrupt(f"A corpus lacks a part ({error})", advice="Index the repository again") from error
        size = len(self.tokens)
        agree = (
            len(self._starts) == len(self.shapes) == len(self._order) == len(self._shape_order) == size
            and len(self.rest_keys) == len(self.rest_sizes) == size
            and len(self._file_tokens) == len(self._file_text) == len(self.files) + 1
            and int(self._file_tokens[-1]) == size
            and len(self.shape_of_word) == self.vocabulary.size
        )
        if not agree:
            raise IndexCorrupt("The parts of a corpus do not agree", advice="Index the repository again")

    @classmethod
    def open(cls, directory: Path, *, verify: bool = False) -> Self:
        """Open the corpus in ``directory`` by memory mapping.

        Args:
            directory: Where it is.
            verify: Read all of it, also one that is too large to be read each time it is opened.

        Raises:
            IndexCorrupt: It is missing, damaged or of another version.
        """
        return cls(read_sections(directory / FILE_NAME, verify=verify))

    @classmethod
    def empty(cls) -> Self:
        """Return a corpus without files, for text outside of every repository."""
        return cls(dict(_EMPTY))

    def close(self) -> None:
        """Do nothing yet: the file is unmapped when the last reader of this corpus lets go of it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @cached_property
    def directories(self) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
        """The distinct directories, and the number of the one that each file is in; int64[files]."""
        return _numbered([file.path.rpartition("/")[0] for file in self.files])

    @cached_property
    def languages(self) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
        """The distinct languages, and the number of each file's; int64[files]."""
        return _numbered([file.language for file in self.files])

    @cached_property
    def by_blob(self) -> dict[str, list[int]]:
        """Numbers of the files that hold a content."""
        numbers: dict[str, list[int]] = {}
        for number, file in enumerate(self.files):
            if file.blob:
                numbers.setdefault(file.blob, []).append(number)
        return numbers

    @cached_property
    def by_path(self) -> dict[str, int]:
        """Numbers of the files by path."""
        return {file.path: number for number, file in enumerate(self.files)}

    def spans(self, context: Sequence[int], enough: int) -> list[Span]:
        """Return the places whose left context ends like ``context``; see :func:`indexer.corpus.suffix.narrow`."""
        return narrow(self._order, self.tokens, self._bounds, context, enough)

    def shape_spans(self, context: Sequence[int], enough: int) -> list[Span]:
        """Do the same for abstracted tokens."""
        return narrow(self._shape_order, self.shapes, self._shape_bounds, context, enough)

    def words_between(self, low: int, high: int) -> Span:
        """Return all places of the words with ids ``low..high`` (half-open), sorted by word."""
        return Span(1, int(self._bounds[low]), int(self._bounds[high]))

    def places(self, span: Span, most: int) -> npt.NDArray[np.int64]:
        """Return the token indices of a span, at most about ``most``, evenly sampled; int64[m]."""
        return self._order[span.low : span.high : max(1, -(-span.size // most))].astype(np.int64)

    def shape_places(self, span: Span, most: int) -> npt.NDArray[np.int64]:
        """Do the same for a span of abstracted tokens."""
        return self._shape_order[span.low : span.high : max(1, -(-span.size // most))].astype(np.int64)

    def file_numbers(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of the file that each place is in; int64[n]."""
        return np.searchsorted(self._file_tokens, places, side="right") - 1

    def file_parts(self, number: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], bytes]:
        """Return a file's tokens, the byte at which each starts, counted from the file's start, and its UTF-8 text."""
        first, last = int(self._file_tokens[number]), int(self._file_tokens[number + 1])
        begin, end = int(self._file_text[number]), int(self._file_text[number + 1])
        starts = self._starts[first:last].astype(np.int64) - begin
        return self.tokens[first:last], starts, bytes(self._text[begin:end])

    def line_after(self, place: int) -> str:
        """Return what stands between the token at ``place`` and the end of its line, inner white space included."""
        begin, end = self._line_rest(place)
        return bytes(self._text[begin:end]).decode("utf-8", "replace").rstrip()

    def line_number(self, place: int) -> int:
        """Return the line, from 1, on which the token after ``place`` stands."""
        number = int(self.file_numbers(np.array([place], dtype=np.int64))[0])
        begin = int(self._file_text[number])
        return bytes(self._text[begin : self._line_rest(place)[0]]).count(b"\n") + 1

    def _line_rest(self, place: int) -> tuple[int, int]:
        following = place + 1
        limit = len(self.tokens)
        if following >= limit or self.tokens.item(following) == BOUNDARY:
            return 0, 0
        token = self.tokens.item(place)
        if token == BOUNDARY or is_newline(token):
            begin = self._starts.item(following)
        else:
            begin = self._starts.item(place) + self.vocabulary.byte_length(token)
        last = min(limit, following + _LONGEST_LINE // 2)
        until = following
        while until < last and not (is_newline(self.tokens.item(until)) or self.tokens.item(until) == BOUNDARY):
            until += 1
        if until == following:
            return begin, begin
        end = self._starts.item(until - 1) + self.vocabulary.byte_length(self.tokens.item(until - 1))
        return begin, min(end, begin + _LONGEST_LINE)


def _numbered(values: list[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    numbers: dict[str, int] = {}
    indices = np.fromiter((numbers.setdefault(value, len(numbers)) for value in values), np.int64, len(values))
    return tuple(numbers), indices
