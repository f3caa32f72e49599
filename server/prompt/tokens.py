"""Turns prompts into token ids with the model's own tokenizer; text from files never becomes a special token."""

from __future__ import annotations

import copy
import enum
import json
import re
from array import array
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from attrs import frozen
from tokenizers import AddedToken, Tokenizer

from server.prompt.formats import FimFormat, Marker
from server.prompt.pieces import AFTER_BLANK_LINES, BEFORE_LINE_ENDS, cut

_CACHED_PIECES = 32_768
_METASPACE = "\u2581"
_PROBES = (
    "def area(width, height):\n    return width * height\n\n\n    # note: 1,234.5 caf\u00e9\n",
    " x = {\n\t'a': [1, 2],  \n\n\n\t}\n  \n\nclass B(A):\n    pass\n",
    "if (x != null) {\r\n        call();\r\n\r\n    }\r\n}\r\n",
    "}\n\nfunc (s *T) f() error {\n\treturn nil\n}\n\n// \u6f22\u5b57\nvar x = `a\n  b`\n\n",
)


class TokenizerMismatch(Exception):
    """A tokenizer that cannot write the prompts of a family; the message is a sentence for people."""


class NotCached(Exception):
    """More would have to be encoded than the caller has time for."""


def special_tokens(tokenizer: Tokenizer) -> frozenset[str]:
    """Return every string that the tokenizer takes for one token wherever it stands."""
    return frozenset(token.content.lstrip(_METASPACE) for token in tokenizer.get_added_tokens_decoder().values())


class TokenCodec:
    """Token ids of prompts for one family of models. Several threads may use it.

    Args:
        tokenizer: The model's.
        fim: The family.

    Attributes:
        bos: What every prompt begins with.
        stop_ids: Tokens that end a completion.

    Raises:
        TokenizerMismatch: The tokenizer lacks a marker of the family, or encodes in a way that cannot be reproduced
            without its special tokens.
    """

    def __init__(self, tokenizer: Tokenizer, fim: FimFormat) -> None:
        self._full = tokenizer
        self._plain = _without_special_tokens(tokenizer)
        kept = {self._plain.token_to_id(token.content) for token in _white_space(tokenizer)}
        self._special_ids = frozenset(tokenizer.get_added_tokens_decoder()) - kept
        self._markers = {text: found for text in fim.markers if (found := self._find_marker(text)) is not None}
        markers = [part.text for part in fim.parts(fim.template) if isinstance(part, Marker)]
        missing = [text for text in markers if text not in self._markers]
        if missing:
            raise TokenizerMismatch(f"the tokenizer has no token {missing[0]}, so it is not of the family {fim.name}")
        self.bos = self._find_bos(fim)
        named = (self._markers[text].id for text in fim.stop if text in self._markers)
        known = (token for token in fim.stop_token_ids if tokenizer.id_to_token(token) in fim.markers)
        self.stop_ids = tuple(dict.fromkeys((*named, *known)))
        self._young: dict[str, array[int]] = {}
        self._old: dict[str, array[int]] = {}
        self._where = self._find_cut()
        self._lead_at_start = self._find_lead("")
        self._lead_after_marker = self._find_lead(markers[0] if markers else "")

    @property
    def has_leads(self) -> bool:
        """Whether the tokenizer puts a space before text, which costs a token here and there."""
        return self._lead_at_start is not _Lead.NONE or self._lead_after_marker is not _Lead.NONE

    def knows(self, marker: str) -> bool:
        """Say whether the tokenizer has a token for a marker of the family."""
        return marker in self._markers

    def pieces(self, text: str) -> list[str]:
        """Cut text where its tokens can be cut."""
        return cut(text, self._where)

    def count(self, text: str) -> int:
        """Return how many tokens text has."""
        return sum(len(ids) for ids in self.encode(self.pieces(text)))

    def encode(self, pieces: Sequence[str], *, most_new: int | None = None) -> list[array[int]]:
        """Return the tokens of each piece.

        Raises:
            NotCached: More than ``most_new`` characters are not in the cache.
        """
        found = {piece: ids for piece in pieces if (ids := self._cached(piece)) is not None}
        new = [piece for piece in dict.fromkeys(pieces) if piece not in found]
        if new:
            if most_new is not None and sum(map(len, new)) > most_new:
                raise NotCached
            found |= self._encode_new(new)
        return [found[piece] for piece in pieces]

    def prompt(self, items: Sequence[str | Marker], *, most_new: int | None = None) -> tuple[int, ...]:
        """Return the tokens of a whole prompt: pieces of text, and markers.

        Raises:
            NotCached: As :meth:`encode`.
        """
        written: list[str | int] = []
        lead = self._lead_at_start
        for item in items:
            if isinstance(item, str):
                written.append(lead.put_before(item))
                lead = _Lead.NONE
                continue
            special = self._markers[item.text]
            if special.takes_space and written and written[-1] == " ":
                written.pop()
            written.append(special.id)
            lead = self._lead_after_marker
        encoded = iter(self.encode([item for item in written if isinstance(item, str)], most_new=most_new))
        ids = list(self.bos)
        for entry in written:
            if isinstance(entry, str):
                ids.extend(next(encoded))
            else:
                ids.append(entry)
        return tuple(ids)

    def _cached(self, piece: str) -> array[int] | None:
        found = self._young.get(piece)
        if found is None and (found := self._old.get(piece)) is not None:
            self._young[piece] = found
        return found

    def _encode_new(self, pieces: Sequence[str]) -> dict[str, array[int]]:
        # Of the ways to encode, this one lets other threads run meanwhile.
        encodings = self._plain.encode_batch_fast(list(pieces), add_special_tokens=False)
        encoded = {
            piece: array("I", encoding.ids if self._special_ids.isdisjoint(encoding.ids) else self._by_character(piece))
            for piece, encoding in zip(pieces, encodings, strict=True)
        }
        if len(self._young) + len(encoded) > _CACHED_PIECES:
            # What was used lately is found in the older half, and moves on from there.
            self._old, self._young = self._young, {}
        self._young.update(encoded)
        return encoded

    def _by_character(self, piece: str) -> list[int]:
        """Encode a piece whose characters the vocabulary itself, not only its special tokens, joins to a marker."""
        encodings = self._plain.encode_batch_fast(list(piece), add_special_tokens=False)
        return [token for encoding in encodings for token in encoding.ids if token not in self._special_ids]

    def _find_marker(self, text: str) -> _Special | None:
        token = self._full.token_to_id(text)
        if token is not None:
            return _Special(token, takes_space=False)
        token = self._full.token_to_id(_METASPACE + text)
        return None if token is None else _Special(token, takes_space=True)

    def _find_bos(self, fim: FimFormat) -> tuple[int, ...]:
        """Return what the tokenizer puts before every text, or the family's own beginning if it says nothing."""
        plain = self._full.encode("x", add_special_tokens=False).ids
        whole = self._full.encode("x", add_special_tokens=True).ids
        before = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
        if before or fim.bos not in self._markers:
            return tuple(whole[:before])
        return (self._markers[fim.bos].id,)

    def _find_cut(self) -> re.Pattern[str]:
        for where in (AFTER_BLANK_LINES, BEFORE_LINE_ENDS):
            if all(self._whole(probe) == self._cut_up(probe, where) for probe in _PROBES):
                return where
        raise TokenizerMismatch("the tokenizer joins text across the ends of lines in a way that Hearth does not know")

    def _find_lead(self, marker: str) -> _Lead:
        before = [self._markers[marker].id] if marker else []
        for lead in _Lead:
            if all(
                self._full.encode(marker + probe, add_special_tokens=False).ids
                == before + self._whole(lead.put_before(probe))
                for probe in _PROBES
            ):
                return lead
        raise TokenizerMismatch("the tokenizer encodes text beside its special tokens in a way that Hearth cannot")

    def _whole(self, text: str) -> list[int]:
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def _cut_up(self, text: str, where: re.Pattern[str]) -> list[int]:
        return [token for piece in cut(text, where) for token in self._whole(piece)]


class _Lead(enum.Enum):
    """The space that a tokenizer puts before text, after the fashion of SentencePiece."""

    NONE = enum.auto()
    UNLESS_THERE = enum.auto()
    ALWAYS = enum.auto()

    def put_before(self, text: str) -> str:
        """Return the text as the tokenizer reads it."""
        if self is _Lead.NONE or (self is _Lead.UNLESS_THERE and text.startswith(" ")):
            return text
        return f" {text}"


@frozen
class _Special:
    """A marker's token; ``takes_space`` says that it stands for the space before it as well."""

    id: int
    takes_space: bool


class _Component(Protocol):
    """A normalizer or pre-tokenizer; they are pickled as JSON."""

    def __getstate__(self) -> bytes: ...

    def __setstate__(self, state: bytes) -> None: ...


_C = TypeVar("_C", bound=_Component)


def _without_special_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer over the same vocabulary to which markers are text, and which puts nothing before text."""
    plain = Tokenizer(tokenizer.model)
    normalizer = _without_lead(tokenizer.normalizer)
    if normalizer is not None:
        plain.normalizer = normalizer
    pre_tokenizer = _without_lead(tokenizer.pre_tokenizer)
    if pre_tokenizer is not None:
        plain.pre_tokenizer = pre_tokenizer
    plain.add_tokens(_white_space(tokenizer))
    return plain


def _white_space(tokenizer: Tokenizer) -> list[AddedToken]:
    """Return the added tokens that are no markers: runs of white space, which some tokenizers keep there."""
    tokens = tokenizer.get_added_tokens_decoder().values()
    return [token for token in tokens if not token.special and not token.content.replace(_METASPACE, " ").strip()]


def _without_lead(component: _C | None) -> _C | None:
    """Return a copy of a normalizer or pre-tokenizer without what puts a space before text; None if nothing is left."""
    if component is None:
        return None
    state = _strip_lead(json.loads(component.__getstate__()))
    if state is None:
        return None
    stripped = copy.deepcopy(component)
    stripped.__setstate__(json.dumps(state).encode())
    return stripped


def _strip_lead(state: dict[str, Any]) -> dict[str, Any] | None:
    kind = state.get("type")
    if kind == "Prepend":
        return None
    if kind == "Metaspace":
        return state | {"prepend_scheme": "never"}
    if kind == "ByteLevel":
        return state | {"add_prefix_space": False}
    for key in ("normalizers", "pretokenizers"):
        if key in state:
            return state | {key: [kept for inner in state[key] if (kept := _strip_lead(inner)) is not None]}
    return state
