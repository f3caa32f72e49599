"""Fill-in-the-middle formats of model families, kept as data in ``formats.toml``."""

from __future__ import annotations

import enum
import fnmatch
import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files

import cattrs
from attrs import field, frozen

from server.errors import EngineRefused


class ModelKind(enum.StrEnum):
    """What a family's models were trained to do with a hole in a text."""

    FIM = "fim"
    """Base models with tokens of their own for what is before and after the cursor."""
    INSTRUCT = "instruct"
    """Chat models that are told in words to fill the hole."""


@frozen
class FimFormat:
    """How one family of models wants the text around a cursor.

    Attributes:
        name: What ``[engine.vllm] format`` calls it.
        title: The family's name for people.
        models: Shell patterns over the model's name without its owner, in lower case; the first family wins.
        kind: Whether it is a base model with markers or a chat model that is told.
        template: The prompt's end, with ``{prefix}`` and ``{suffix}`` once each.
        markers: Strings that the model's tokenizer reads as special; never left whole in text from files.
        stop: What ends a completion, most important first; at most 4 are sent.
        stop_token_ids: Tokens that end a completion.
        repository: Beginning of a prompt with several files, with ``{repository}``; may be empty.
        file: One other file, with ``{path}`` and ``{text}``; empty when the family knows only one file.
        current: What stands before the template when there are other files, with ``{path}``.
        files_in_prefix: Whether other files are part of the prefix instead of standing before the template.
        context_tokens: Most tokens of prompt and answer that the family was trained for.
        licence: SPDX name or the vendor's own.
        commercial: Whether the licence permits commercial use; ``"yes"``, ``"no"`` or ``"limited"``.
        notes: What else an admin should know.
    """

    name: str
    title: str
    models: tuple[str, ...]
    template: str
    markers: tuple[str, ...]
    licence: str
    commercial: str
    context_tokens: int
    kind: ModelKind = ModelKind.FIM
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    repository: str = ""
    file: str = ""
    current: str = ""
    files_in_prefix: bool = False
    notes: str = ""
    _marker_pattern: re.Pattern[str] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Prepare the search for markers; longer ones first, so that none hides behind its own beginning."""
        alternatives = sorted(self.markers, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, alternatives)) or r"(?!)")
        object.__setattr__(self, "_marker_pattern", pattern)

    @property
    def suffix_first(self) -> bool:
        """Whether what follows the cursor stands before what precedes it, so that typing changes only the end."""
        return self.template.index("{suffix}") < self.template.index("{prefix}")

    def neutralise(self, text: str) -> str:
        """Return ``text`` with a space inside every marker, so that it reads the same and is no marker any more."""
        while self._marker_pattern.search(text):
            # Once more when a marker overlapped the one before it; each round adds spaces, which are in no marker.
            text = self._marker_pattern.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)
        return text


class FormatRegistry:
    """The formats that are known, looked up by name or by model."""

    def __init__(self, formats: Iterable[FimFormat]) -> None:
        self._formats = {item.name: item for item in formats}

    @classmethod
    def built_in(cls) -> FormatRegistry:
        """Return the formats that come with Hearth."""
        document = tomllib.loads((files(__package__) / "formats.toml").read_text(encoding="utf-8"))
        converter = cattrs.Converter(forbid_extra_keys=True)
        return cls(converter.structure(document["format"], tuple[FimFormat, ...]))

    def all(self) -> tuple[FimFormat, ...]:
        """Return every format in the order of the file."""
        return tuple(self._formats.values())

    def find(self, model: str, name: str = "") -> FimFormat:
        """Return the format called ``name``, or else the one that fits the name of ``model``.

        Raises:
            EngineRefused: There is none; says what to write into hearth.toml.
        """
        known = ", ".join(self._formats)
        if name:
            if name in self._formats:
                return self._formats[name]
            raise EngineRefused(
                f'There is no prompt format "{name}"', advice=f"`format` in [engine.vllm] is one of: {known}."
            )
        base_name = model.rstrip("/").rpartition("/")[2].lower()
        for item in self._formats.values():
            if any(fnmatch.fnmatchcase(base_name, pattern) for pattern in item.models):
                return item
        raise EngineRefused(
            f'The prompt format of the model "{model}" is not known',
            advice=f"Name the format of its family as `format` in [engine.vllm] of hearth.toml: {known}.",
        )
