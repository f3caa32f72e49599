"""Fill-in-the-middle formats of model families: what one is. Those that Hearth knows are data, in ``formats.toml``."""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Iterable
from typing import Any

from attrs import evolve, field, frozen, validators


class ModelKind(enum.StrEnum):
    """What a family's models were trained to do with a hole in a text."""

    FIM = "fim"
    """Base models with tokens of their own for what is before and after the cursor."""
    INSTRUCT = "instruct"
    """Chat models that are told in words to fill the hole."""


class Commercial(enum.StrEnum):
    """Whether a licence permits commercial use."""

    YES = "yes"
    LIMITED = "limited"
    """Within limits of the licence that an admin has to read, such as fields of use or a number of users."""
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class Marker:
    """A string that the model's tokenizer reads as one special token."""

    text: str


@frozen
class Field:
    """A place in a pattern where text is put: ``prefix``, ``suffix``, ``repository``, ``path`` or ``text``."""

    name: str


Part = str | Marker | Field
"""A piece of a pattern; a string stands for itself."""


def _has_fields(*names: str) -> Any:
    def check(_instance: object, _attribute: object, value: str) -> None:
        wrong = [name for name in names if value.count(f"{{{name}}}") != 1]
        if value and wrong:
            raise ValueError(f"must have {' and '.join(f'{{{name}}}' for name in wrong)} once")

    return check


@frozen
class FormatException:
    """Models of a family that differ from it; what is not said is as for the family.

    Attributes:
        models: Shell patterns as :attr:`FimFormat.models`; the first exception that fits holds.
        fills_holes: False for models that were not trained to, which Hearth refuses to ask for completions.
    """

    models: tuple[str, ...] = field(validator=validators.min_len(1))
    licence: str = ""
    commercial: Commercial | None = None
    context_tokens: int = field(default=0, validator=validators.ge(0))
    fills_holes: bool = True
    notes: str = ""


@frozen
class FimFormat:
    """How one family of models wants the text around a cursor, and under which licence it comes.

    Attributes:
        name: What ``[engine.vllm] format`` calls it.
        title: The family's name for people.
        models: Shell patterns over the model's name without its owner, in lower case; the first family wins.
        kind: Whether it is a base model with markers or a chat model that is told.
        template: The prompt's end, with ``{prefix}`` and ``{suffix}`` once each.
        markers: Strings that the model's tokenizer reads as special; never left whole in text from files.
        bos: The marker that every prompt begins with; model servers add it to text by themselves. May be empty.
        stop: What ends a completion, most important first; at most 4 strings are sent.
        stop_token_ids: Tokens that end a completion, for when the tokenizer, which tells them too, is not at hand.
        repository: Beginning of a prompt with several files, with ``{repository}``; may be empty.
        file: One other file, with ``{path}`` and ``{text}``; empty when the family knows only one file.
        current: What stands before the template when there are other files, with ``{path}``.
        files_in_prefix: Whether other files are part of the prefix instead of standing before the template.
        context_tokens: Most tokens of prompt and answer that the family was trained for.
        licence: SPDX name or the vendor's own.
        commercial: Whether the licence permits commercial use.
        exception: Models of the family that differ.
        fills_holes: Whether its models were trained to fill a hole at all.
        notes: What else an admin should know.
    """

    name: str = field(validator=validators.min_len(1))
    models: tuple[str, ...]
    template: str = field(validator=[validators.min_len(1), _has_fields("prefix", "suffix")])
    markers: tuple[str, ...] = field(validator=validators.deep_iterable(validators.min_len(1)))
    licence: str = field(validator=validators.min_len(1))
    commercial: Commercial
    context_tokens: int = field(validator=validators.ge(256))
    title: str = ""
    kind: ModelKind = ModelKind.FIM
    bos: str = ""
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    repository: str = field(default="", validator=_has_fields("repository"))
    file: str = field(default="", validator=_has_fields("path", "text"))
    current: str = field(default="", validator=_has_fields("path"))
    files_in_prefix: bool = False
    exception: tuple[FormatException, ...] = ()
    fills_holes: bool = True
    notes: str = ""
    _marker_pattern: re.Pattern[str] = field(init=False, repr=False, eq=False)
    _parsed: dict[str, tuple[Part, ...]] = field(init=False, factory=dict, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Prepare the search for markers; longer ones first, so that none hides behind its own beginning."""
        object.__setattr__(self, "_marker_pattern", re.compile(_any_of(self.markers) or r"(?!)"))

    @property
    def suffix_first(self) -> bool:
        """Whether what follows the cursor stands before what precedes it, so that typing changes only the end."""
        return self.template.index("{suffix}") < self.template.index("{prefix}")

    def fits(self, model: str) -> bool:
        """Say whether a model of this name, without its owner and in lower case, is of the family."""
        return _fits(model, self.models)

    def for_model(self, model: str) -> FimFormat:
        """Return what holds for one model of the family, by its name without its owner and in lower case."""
        found = next((item for item in self.exception if _fits(model, item.models)), None)
        return self if found is None else self.differing(found)

    def differing(self, found: FormatException) -> FimFormat:
        """Return what holds for the models of one of the exceptions."""
        return evolve(
            self,
            licence=found.licence or self.licence,
            commercial=found.commercial or self.commercial,
            context_tokens=found.context_tokens or self.context_tokens,
            fills_holes=found.fills_holes,
            notes=found.notes or self.notes,
        )

    def neutralise(self, text: str) -> str:
        """Return ``text`` with a space inside every marker, so that it reads the same and is no marker any more."""
        while self._marker_pattern.search(text):
            # Once more when a marker overlapped the one before it; each round adds spaces, which are in no marker.
            text = self._marker_pattern.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)
        return text

    def parts(self, pattern: str) -> tuple[Part, ...]:
        """Take one of the format's patterns apart. Braces around other words stand for themselves."""
        known = self._parsed.get(pattern)
        if known is None:
            known = self._parsed[pattern] = tuple(self._parse(pattern))
        return known

    def _parse(self, pattern: str) -> list[Part]:
        splitter = re.compile(rf"\{{(prefix|suffix|repository|path|text)\}}|({_any_of(self.markers) or '(?!)'})")
        parts: list[Part] = []
        at = 0
        for found in splitter.finditer(pattern):
            if found.start() > at:
                parts.append(pattern[at : found.start()])
            parts.append(Field(found.group(1)) if found.group(1) else Marker(found.group()))
            at = found.end()
        if at < len(pattern):
            parts.append(pattern[at:])
        return parts


def _any_of(markers: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(markers, key=len, reverse=True)))


def _fits(model: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(model, pattern.lower()) for pattern in patterns)
