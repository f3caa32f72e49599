"""The families of models that are known: Hearth's own and the admin's, found by name or by a tokenizer's tokens."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from server.config import ConfigProblem, Document, ModelsConfig, VllmConfig, read, structure
from server.errors import EngineRefused
from server.prompt.formats import Commercial, FimFormat

_BUILT_IN = Path(__file__).with_name("formats.toml")
_HOW_TO_ADD = "or describe it in a file named in [models] files; docs/models.md shows how."


@frozen
class _FormatFile:
    """What a file of formats holds."""

    format: tuple[FimFormat, ...] = ()


class FormatRegistry:
    """The formats that are known, looked up by name or by model.

    Args:
        formats: The first of those that fit a model is taken; of two with the same name the first one counts.
        allowed_licences: Shell patterns over the names of licences, without regard to case.
    """

    def __init__(self, formats: Iterable[FimFormat], allowed_licences: Iterable[str] = ("*",)) -> None:
        self._formats: dict[str, FimFormat] = {}
        for item in formats:
            self._formats.setdefault(item.name, item)
        self._allowed = tuple(allowed_licences)

    @classmethod
    def built_in(cls) -> FormatRegistry:
        """Return the formats that come with Hearth."""
        return cls.load(ModelsConfig())

    @classmethod
    def load(cls, config: ModelsConfig) -> FormatRegistry:
        """Return the formats that come with Hearth and those of the admin's files, which come first.

        Raises:
            ConfigError: A file is not usable; names the first problem.
        """
        registry, problems = cls.check(config)
        if problems:
            raise problems[0].error()
        return registry

    @classmethod
    def check(cls, config: ModelsConfig) -> tuple[FormatRegistry, tuple[ConfigProblem, ...]]:
        """Return what :meth:`load` would, without the files that are not usable, and all that is wrong with them."""
        formats: list[FimFormat] = []
        described: dict[str, dict[str, Any]] = {}
        problems: list[ConfigProblem] = []
        # Hearth's own first, so that others can be like them; a file that comes later may be like an earlier one.
        for file in (_BUILT_IN, *config.files):
            found, wrong = _formats_of(file, described)
            formats[:0] = found
            problems += wrong
        return cls(formats, config.allowed_licences), tuple(problems)

    def all(self) -> tuple[FimFormat, ...]:
        """Return every format, the admin's first."""
        return tuple(self._formats.values())

    def allows(self, licence: str) -> bool:
        """Say whether models of this licence may be used."""
        return any(fnmatch.fnmatchcase(licence.lower(), pattern.lower()) for pattern in self._allowed)

    def find(self, model: str, name: str = "") -> FimFormat:
        """Return the format called ``name``, or else the one that fits the name of ``model``.

        Raises:
            EngineRefused: There is none, or the model does not fill holes; says what to write into hearth.toml.
        """
        if name and name not in self._formats:
            raise EngineRefused(
                f'There is no prompt format "{name}"',
                advice=f"`format` in [engine.vllm] is one of: {', '.join(self._formats)}.",
            )
        found = self._formats[name] if name else self.family(model)
        if found is None:
            raise self.unknown(model)
        found = found.for_model(_base_name(model))
        if not found.fills_holes:
            raise EngineRefused(
                f'The model "{model}" was not trained to fill a hole in a text',
                advice=f"Take another model of the family {found.title or found.name}. {found.notes}".rstrip(),
            )
        return found

    def family(self, model: str) -> FimFormat | None:
        """Return the format of the family whose names ``model`` fits, without its exceptions; None if there is none."""
        base_name = _base_name(model)
        return next((item for item in self._formats.values() if item.fits(base_name)), None)

    def detect(self, model: str, special_tokens: Collection[str]) -> FimFormat:
        """Return the format whose markers are all among a tokenizer's special tokens.

        The licence of such a model is not known.

        Raises:
            EngineRefused: None fits, or several that lay out a prompt in different ways.
        """
        fitting = [item for item in self._formats.values() if item.markers and set(item.markers) <= set(special_tokens)]
        most = max((len(item.markers) for item in fitting), default=0)
        best = [item for item in fitting if len(item.markers) == most]
        if not best:
            raise self.unknown(model)
        if len({(item.template, item.repository, item.file, item.current) for item in best}) > 1:
            raise EngineRefused(
                f'The tokenizer of the model "{model}" fits several families',
                advice=f"Name one as `format` in [engine.vllm]: {', '.join(item.name for item in best)}.",
            )
        return evolve(best[0], licence="unknown", commercial=Commercial.UNKNOWN, exception=(), notes="")

    def unknown(self, model: str) -> EngineRefused:
        """Return the error for a model of no known family."""
        return EngineRefused(
            f'The prompt format of the model "{model}" is not known',
            advice="Name the format of its family as `format` in [engine.vllm] of hearth.toml "
            f"({', '.join(self._formats)}), {_HOW_TO_ADD}",
        )

    def require_configured_allowed(self, config: VllmConfig) -> None:
        """Refuse the models that the settings name when their licences are not allowed.

        A model that they do not name is known only when its server is up, and looked at then.

        Raises:
            EngineRefused: As :meth:`require_allowed`.
        """
        if config.format in self._formats:
            model = config.model or config.format
            self.require_allowed(model, self._formats[config.format].for_model(_base_name(model)))
        elif config.model:
            self.require_name_allowed(config.model)
        if config.chat_model:
            self.require_name_allowed(config.chat_model)
        for model in (*config.teams.values(), *config.chat_teams.values()):
            # The name of an adapter tells nothing: it is what its base model is, which is looked at.
            if self.family(model) is not None:
                self.require_name_allowed(model)

    def require_name_allowed(self, model: str) -> None:
        """Refuse a model whose licence, as far as its name tells, is not among the allowed ones.

        Raises:
            EngineRefused: As :meth:`require_allowed`.
        """
        family = self.family(model)
        self.require_allowed(model, family.for_model(_base_name(model)) if family is not None else None)

    def require_allowed(self, model: str, found: FimFormat | None) -> None:
        """Refuse a model whose licence is not among the allowed ones; None is a model of no known family.

        Raises:
            EngineRefused: Says which licence it is, and which are allowed.
        """
        licence = found.licence if found is not None else "unknown"
        if self.allows(licence):
            return
        known = licence != "unknown"
        raise EngineRefused(
            f'The model "{model}" has {f"the licence {licence}" if known else "a licence that Hearth does not know"}, '
            "which [models] allowed_licences of hearth.toml does not name",
            advice=f"Allowed are {', '.join(self._allowed)}. Take a model with one of these (`hearth models` lists "
            "them), "
            + (
                "or allow this licence once somebody has read it."
                if known
                else f"name its family as `format` in [engine.vllm], {_HOW_TO_ADD}"
            ),
        )


def _base_name(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2].lower()


def _formats_of(
    file: Path, described: dict[str, dict[str, Any]]
) -> tuple[tuple[FimFormat, ...], tuple[ConfigProblem, ...]]:
    """Read a file; ``described`` holds what the formats before say, and is added to."""
    document, problems = read(file)
    if document is None:
        return (), problems
    inherited = _inherit(document, described)
    if inherited:
        return (), inherited
    found, problems = structure(document, _FormatFile)
    return (found.format if found is not None else ()), problems


def _inherit(document: Document, described: dict[str, dict[str, Any]]) -> tuple[ConfigProblem, ...]:
    """Fill in what a format with ``like = "NAME"`` takes from that one: everything but its models and exceptions."""
    entries = document.values.get("format")
    if not isinstance(entries, list):
        return ()
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            continue
        like = entry.pop("like", None)
        if like is not None and (not isinstance(like, str) or like not in described):
            known = f"Known so far are {', '.join(described)}."
            return (document.problem(("format", number, "like"), f'there is no format "{like}" before it', known),)
        if like is not None:
            taken = {key: value for key, value in described[like].items() if key not in {"models", "exception"}}
            entry.update({**taken, **entry})
        if isinstance(entry.get("name"), str):
            described[entry["name"]] = entry
    return ()
