"""All settings as a list: for the documentation, for suggestions and for ``hearth config show``."""

from __future__ import annotations

import enum
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from server.config.settings import HearthConfig


@frozen
class Setting:
    """One setting: ``key`` is dotted (``engine.vllm.url``), ``default`` as it would stand in the file."""

    key: str
    type: str
    default: str
    help: str


def all_settings() -> list[Setting]:
    """List every setting of ``hearth.toml``, table by table in the order of the file."""
    return list(_settings(HearthConfig, ""))


def tables() -> list[tuple[str, str]]:
    """List every table with one sentence on what it is about."""
    return list(_tables(HearthConfig, ""))


def effective(config: HearthConfig) -> dict[str, Any]:
    """Return all settings in force as nested plain values, ready for JSON."""
    return {item.name: _plain(getattr(config, item.name)) for item in attrs.fields(HearthConfig)}


def markdown() -> str:
    """Write all tables and settings as Markdown, for the documentation."""
    lines: list[str] = []
    by_table: dict[str, list[Setting]] = {}
    for setting in all_settings():
        table, _, _ = setting.key.rpartition(".")
        by_table.setdefault(table, []).append(setting)
    for name, purpose in tables():
        title = f"[[{name}]]" if repeated(name) else f"[{name}]"
        lines += [f"### `{title}`", "", purpose, "", "| setting | type | default | meaning |", "|---|---|---|---|"]
        for setting in by_table.get(name, []):
            default = setting.default if setting.default.startswith("the ") else f"`{setting.default}`"
            name_only = setting.key.rpartition(".")[2]
            lines.append(f"| `{name_only}` | {setting.type} | {default} | {setting.help} |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def toml_lines(config: HearthConfig) -> list[str]:
    """Write all settings in force as the lines of a file that says the same."""
    lines: list[str] = []

    def table(values: dict[str, object], prefix: str) -> None:
        plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
        if plain:
            lines.extend(["", f"[{prefix}]"])
            lines.extend(f"{toml_key(key)} = {as_toml(value)}" for key, value in plain.items())
        for key, value in values.items():
            if isinstance(value, dict):
                table(value, f"{prefix}.{toml_key(key)}" if prefix else key)

    settings = effective(config)
    repeated = {key: value for key, value in settings.items() if isinstance(value, list)}
    table({key: value for key, value in settings.items() if key not in repeated}, "")
    for key, entries in repeated.items():
        for entry in entries:
            lines.extend(["", f"[[{key}]]"])
            lines.extend(f"{name} = {as_toml(value)}" for name, value in entry.items())
    return lines


def as_toml(value: object) -> str:
    """Spell one value as it stands in a TOML file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (tuple, list, frozenset)):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(key)} = {as_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    text = str(value.value) if isinstance(value, enum.Enum) else str(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def toml_key(key: str) -> str:
    """Spell a key as it stands in a TOML file: bare where that is allowed."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else as_toml(key)


def _settings(cls: type[attrs.AttrsInstance], prefix: str) -> Iterator[Setting]:
    nested: list[tuple[type[attrs.AttrsInstance], str]] = []
    for item in attrs.fields(attrs.resolve_types(cls)):
        type_: Any = item.type
        table = _table_class(type_)
        if table is not None:
            nested.append((table, f"{prefix}{item.name}."))
            continue
        yield Setting(f"{prefix}{item.name}", _type_name(type_), _default(item), str(item.metadata.get("help", "")))
    for inner, inner_prefix in nested:
        yield from _settings(inner, inner_prefix)


def _tables(cls: type[attrs.AttrsInstance], prefix: str) -> Iterator[tuple[str, str]]:
    for item in attrs.fields(attrs.resolve_types(cls)):
        type_: Any = item.type
        table = _table_class(type_)
        if table is not None:
            yield f"{prefix}{item.name}", (table.__doc__ or "").strip().split("\n")[0]
            yield from _tables(table, f"{prefix}{item.name}.")


def _table_class(type_: Any) -> type[attrs.AttrsInstance] | None:
    """Return the class of a table, or of each of the tables that may be repeated; None for a plain setting."""
    for candidate in (type_, *typing.get_args(type_)[:1]):
        if isinstance(candidate, type) and attrs.has(candidate):
            return candidate
    return None


def repeated(table: str) -> bool:
    """Tell whether a table may stand in the file several times, as ``[[table]]``."""
    cls: Any = HearthConfig
    arguments: tuple[Any, ...] = ()
    for name in table.split("."):
        type_ = attrs.fields_dict(attrs.resolve_types(cls))[name].type
        arguments = typing.get_args(type_)
        cls = _table_class(type_)
    return bool(arguments)


def _default(item: attrs.Attribute[Any]) -> str:
    if "default" in item.metadata:
        return str(item.metadata["default"])
    default = item.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # the stubs declare Factory as a function
        default = default.factory()  # type: ignore[union-attr]  # as above
    return as_toml(default)


def _type_name(type_: Any) -> str:
    if type_ in {int, float, bool, str, Path}:
        return {int: "integer", float: "number", bool: "boolean", str: "string", Path: "path"}[type_]
    arguments = typing.get_args(type_)
    if typing.get_origin(type_) is Mapping:
        return f"table of {_type_name(arguments[1])}s"
    if arguments:
        return f"list of {_type_name(arguments[0])}s"
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return "string"
    return str(type_)


def _plain(value: object) -> Any:
    cls: Any = type(value)
    if attrs.has(cls):
        return {item.name: _plain(getattr(value, item.name)) for item in attrs.fields(cls)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, frozenset)):
        items = [_plain(item) for item in value]
        return sorted(items) if isinstance(value, frozenset) else items
    if isinstance(value, Path):
        return str(value)
    return value
