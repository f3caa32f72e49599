"""Finding, reading and checking ``hearth.toml``."""

from __future__ import annotations

import difflib
import enum
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import attrs
import cattrs
import platformdirs
from attrs import frozen
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from indexer.errors import ConfigError
from server.config.launched import with_launched_servers
from server.config.positions import KeyPath, key_lines
from server.config.reference import Setting, all_settings
from server.config.settings import HearthConfig

_MAX_FILE_BYTES = 1_000_000

_T = TypeVar("_T")


@frozen
class ConfigProblem:
    """One thing wrong with a file. ``line`` is counted from 1, 0 when it concerns the whole file."""

    file: Path
    line: int
    key: str
    """Dotted, empty when the problem is not with one key."""
    message: str
    advice: str

    def __str__(self) -> str:
        """Return ``FILE:LINE: key: message``."""
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"

    def error(self) -> ConfigError:
        """Return the exception that says the same."""
        return ConfigError(str(self), advice=self.advice)


@frozen
class Document:
    """A TOML file that was read; ``values`` is what its ``text`` says."""

    file: Path
    text: str
    values: dict[str, Any]

    def problem(self, path: KeyPath, message: str, advice: str) -> ConfigProblem:
        """Say that something is wrong with the key at ``path``, or with what holds it when it is not there."""
        line = _line_of(path, key_lines(self.text))
        return ConfigProblem(self.file, line, ".".join(map(str, path)), message, advice)


@frozen
class LoadedConfig:
    """Settings with the file they came from; ``file`` is None when there is none and defaults hold."""

    config: HearthConfig
    file: Path | None


def find(explicit: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file to read, or None when there is none.

    Raises:
        ConfigError: A file that was named, by option or by ``$HEARTH_CONFIG``, does not exist.
    """
    named = (
        ("--config", explicit),
        ("$HEARTH_CONFIG", Path(value) if (value := environment.get("HEARTH_CONFIG")) else None),
    )
    for origin, path in named:
        if path is None:
            continue
        if not _is_there(path):
            raise ConfigError(
                f"{path}: the configuration file named by {origin} does not exist",
                advice="Correct the path, or leave it out to use the default settings.",
            )
        return path
    for directory in (
        platformdirs.user_config_dir("hearth", appauthor=False),
        platformdirs.site_config_dir("hearth", appauthor=False),
    ):
        candidate = Path(directory) / "hearth.toml"
        if _is_there(candidate):
            return candidate
    return None


def _is_there(candidate: Path) -> bool:
    """Say whether there is such a file.

    A directory that may not be entered has none, as for git: `sudo -u` may keep the HOME of somebody else.
    """
    try:
        return candidate.is_file()
    except PermissionError:
        return False


def load(explicit: Path | None = None, *, data: Path | None = None) -> LoadedConfig:
    """Read the settings; ``data`` (from ``--data``) overrides ``[data] directory``.

    Raises:
        ConfigError: Naming the first problem of the file and how many more there are.
    """
    file = find(explicit)
    config = HearthConfig()
    if file is not None:
        checked, problems = check(file)
        if checked is None:
            first, *more = problems
            advice = first.advice
            if more:
                advice = f"{advice} `hearth config check` lists all {len(problems)} problems of this file.".lstrip()
            raise ConfigError(str(first), advice=advice)
        config = checked
    if data is not None:
        config = attrs.evolve(config, data=attrs.evolve(config.data, directory=data.expanduser().absolute()))
    return LoadedConfig(with_launched_servers(config), file)


def check(file: Path) -> tuple[HearthConfig | None, tuple[ConfigProblem, ...]]:
    """Read ``file``; return the settings, or None and everything that is wrong with it in the order of its lines."""
    document, problems = read(file)
    return structure(document, HearthConfig) if document is not None else (None, problems)


def read(file: Path) -> tuple[Document | None, tuple[ConfigProblem, ...]]:
    """Read a TOML file; return it, or None and why it is none."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return None, (ConfigProblem(file, 0, "", f"cannot be read: {reason}", "Check the path and its permissions."),)
    if len(raw) > _MAX_FILE_BYTES:
        return None, (ConfigProblem(file, 0, "", "is larger than 1 MB", "A configuration is a few lines long."),)
    try:
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return None, (ConfigProblem(file, line, "", "is not UTF-8", "Save the file as UTF-8."),)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, (_syntax_problem(file, text, error),)
    except RecursionError:
        return None, (ConfigProblem(file, 0, "", "is nested too deeply", "A configuration has two levels of tables."),)
    return Document(file, text, values), ()


def _syntax_problem(file: Path, document: str, error: tomllib.TOMLDecodeError) -> ConfigProblem:
    text = str(error)
    message, line = text, document.count("\n") + 1
    if match := re.search(r"\s*\(at line (\d+), column (\d+)\)$", text):
        line = int(match.group(1))
        message = f"{text[: match.start()]} (column {match.group(2)})"
    elif match := re.search(r"\s*\(at end of document\)$", text):
        message = f"{text[: match.start()]} (end of file)"
    return ConfigProblem(
        file,
        line,
        "",
        f"not valid TOML: {message}",
        "Strings need quotes, tables are [in.brackets]; see https://toml.io.",
    )


def structure(document: Document, cls: type[_T]) -> tuple[_T | None, tuple[ConfigProblem, ...]]:
    """Make a ``cls``, an attrs class, of a file; return it, or None and everything wrong in the order of the lines.

    Relative paths start at the directory of the file.
    """
    base = document.file.absolute().parent

    def to_path(value: object, _type: type[Path]) -> Path:
        if not isinstance(value, str) or not value:
            raise TypeError(_expected("a path in quotes", value))
        # Joining keeps an absolute path as it is.
        return base / Path(value).expanduser()

    converter = _converter()
    converter.register_structure_hook(Path, to_path)
    try:
        return converter.structure(document.values, cls), ()
    except ClassValidationError as error:
        known = all_settings() if issubclass(cls, HearthConfig) else []
        problems = [
            document.problem(path, message, advice) for path, message, advice in _explain(error, (), cls, known)
        ]
        return None, tuple(sorted(problems, key=lambda problem: (problem.line, problem.key)))


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(bool, lambda value, _: _exactly(value, bool, "true or false"))
    converter.register_structure_hook(int, lambda value, _: _exactly(value, int, "a whole number"))
    converter.register_structure_hook(str, lambda value, _: _exactly(value, str, "text in quotes"))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(enum.StrEnum, _member)
    converter.register_structure_hook_func(_is_tuple, lambda value, type_: _items(converter, value, type_))
    converter.register_structure_hook_func(_is_mapping, lambda value, type_: _by_name(converter, value, type_))

    def class_hook(cls: type) -> Any:
        attributes = attrs.fields(attrs.resolve_types(cls))
        # The options of make_dict_structure_fn share its keyword arguments with the fields, which no type can say.
        options: dict[str, Any] = {
            item.name: override(struct_hook=_checked(converter, item)) for item in attributes if item.init
        }
        structure: Any = make_dict_structure_fn(
            cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **options
        )

        def hook(value: object, type_: type) -> object:
            if not isinstance(value, dict):
                raise TypeError(_expected("a table", value))
            return structure(value, type_)

        return hook

    converter.register_structure_hook_factory(attrs.has, class_hook)
    return converter


def _checked(converter: cattrs.Converter, attribute: attrs.Attribute[Any]) -> Any:
    """Structure one field and run its validator at once, so that every field that is wrong is reported."""

    def hook(value: object, type_: type) -> object:
        structured: object = converter.structure(value, attribute.type or type_)
        if attribute.validator is not None:
            attribute.validator(None, attribute, structured)
        return structured

    return hook


def _exactly(value: object, type_: type, name: str) -> object:
    # bool is a subclass of int; `true` is no number all the same.
    if type(value) is not type_:
        raise TypeError(_expected(name, value))
    return value


def _number(value: object, _type: type) -> float:
    if type(value) not in {int, float}:
        raise TypeError(_expected("a number", value))
    return float(value)  # type: ignore[arg-type]  # the line above leaves int and float only


def _member(value: object, type_: type[enum.StrEnum]) -> enum.StrEnum:
    try:
        return type_(str(_exactly(value, str, "text in quotes")))
    except ValueError:
        allowed = ", ".join(f'"{member.value}"' for member in type_)
        raise ValueError(f"must be one of {allowed}, not {_shown(value)}") from None


def _is_tuple(type_: Any) -> bool:
    return getattr(type_, "__origin__", None) is tuple


def _items(converter: cattrs.Converter, value: object, type_: Any) -> tuple[Any, ...]:
    """Structure a list; unlike the default this refuses a string, which is a sequence too."""
    if not isinstance(value, list):
        raise TypeError(_expected("a list", value))
    list_type: Any = list.__class_getitem__(get_args(type_)[0])
    return tuple(converter.structure(value, list_type))


def _is_mapping(type_: Any) -> bool:
    return getattr(type_, "__origin__", None) is Mapping


def _by_name(converter: cattrs.Converter, value: object, type_: Any) -> dict[str, Any]:
    """Structure a table of free names; every value is written as text."""
    if not isinstance(value, dict):
        raise TypeError(_expected("a table", value))
    for name, text in value.items():
        if not isinstance(text, str):
            raise TypeError(f'must hold text in quotes for "{name}", not {_shown(text)}')
    return {name: converter.structure(text, get_args(type_)[1]) for name, text in value.items()}


def _expected(name: str, value: object) -> str:
    return f"must be {name}, not {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else f'"{value[:37]}..."'
    if isinstance(value, list):
        return "a list"
    return str(value)


def _explain(
    error: BaseException, path: KeyPath, cls: type | None, settings: Sequence[Setting]
) -> Iterator[tuple[KeyPath, str, str]]:
    """Flatten cattrs' tree of errors into ``(path, message, advice)``; ``settings`` are those that may be meant."""
    if isinstance(error, (ClassValidationError, IterableValidationError)):
        for inner in error.exceptions:
            key, type_ = _noted(inner)
            yield from _explain(inner, path if key is None else (*path, key), type_ or cls, settings)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [item.name for item in attrs.fields(error.cl)]
        for name in sorted(error.extra_fields):
            yield (*path, name), *_unknown(name, path, known, settings)
    else:
        yield path, _readable(error), _help_for(path, settings)


def _noted(error: BaseException) -> tuple[str | int | None, type | None]:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return note.name, note.type
        if isinstance(note, IterableValidationNote) and isinstance(note.index, (int, str)):
            return note.index, note.type
    return None, None


def _unknown(name: str, path: KeyPath, known: list[str], settings: Sequence[Setting]) -> tuple[str, str]:
    kind = "table or setting" if not path else "setting"
    message = f"unknown {kind}"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return message, f"Did you mean `{'.'.join([*map(str, path), close[0]])}`?"
    elsewhere = [item.key for item in settings if item.key.rsplit(".", 1)[-1] == name]
    if elsewhere:
        return message, f"Did you mean `{elsewhere[0]}`?"
    where = f"[{'.'.join(part for part in path if isinstance(part, str))}]" if path else "The top level"
    return message, f"{where} has {', '.join(known)}."


def _readable(error: BaseException) -> str:
    """Turn the message of an attrs validator (``'x' must be >= 1: 0``) into one that reads on after the key."""
    if isinstance(error, KeyError):
        return "is missing"
    text = str(error.args[0]) if error.args else str(error)
    if match := re.fullmatch(r"'\w+' (must be (?:>=|<=|<|>) .*): (.*)", text, re.DOTALL):
        return f"{match.group(1)}, not {match.group(2)}"
    if match := re.fullmatch(r"'\w+' must be in (.*) \(got (.*)\)", text, re.DOTALL):
        allowed, given = match.group(1).strip("()"), match.group(2)
        return f"must be one of {allowed}, not {given}".replace("'", '"')
    if match := re.fullmatch(r"Length of '\w+' must be >= 1: 0", text):
        return "must not be empty"
    return text


def _help_for(path: KeyPath, settings: Sequence[Setting]) -> str:
    key = ".".join(str(part) for part in path if isinstance(part, str))
    for setting in settings:
        if setting.key == key:
            return f"It means: {setting.help}" if setting.help else ""
    return ""


def _line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0
