"""The documentation of settings and the classes that define them say the same."""

from __future__ import annotations

from pathlib import Path

import attrs

from server.config import HearthConfig, all_settings, check, effective
from server.config.__main__ import BEGIN
from server.config.reference import as_toml, markdown

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_lists_exactly_the_settings() -> None:
    _, marker, written = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert marker
    assert written.strip() == markdown().strip(), "run: python -m server.config docs/configuration.md"


def test_every_setting_is_documented() -> None:
    missing = [setting.key for setting in all_settings() if not setting.help.endswith(".")]
    assert not missing


def test_every_setting_is_read_somewhere() -> None:
    root = PAGE.parents[1]
    code = "\n".join(
        file.read_text(encoding="utf-8")
        for package in ("server", "indexer")
        for file in (root / package).rglob("*.py")
        if "config" not in file.relative_to(root).as_posix()
    )
    unused = [setting.key for setting in all_settings() if f".{setting.key.rpartition('.')[2]}" not in code]
    assert not unused


def test_settings_in_force_are_a_valid_file_again(tmp_path: Path) -> None:
    lines: list[str] = []

    def write(table: dict[str, object], prefix: str) -> None:
        lines.append(f"[{prefix}]")
        lines.extend(f"{key} = {as_toml(value)}" for key, value in table.items() if not isinstance(value, dict))
        for key, value in table.items():
            if isinstance(value, dict):
                write(value, f"{prefix}.{key}")

    for name, table in effective(HearthConfig()).items():
        if table:  # There are no tables of those that may be repeated.
            write(table, name)
    file = tmp_path / "hearth.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    config, problems = check(file)
    assert problems == ()
    assert config == HearthConfig()


def test_settings_are_frozen() -> None:
    assert all(
        attrs.fields_dict(type(table)) is not None and type(table).__setattr__ is not object.__setattr__
        for table in (HearthConfig(), HearthConfig().engine, HearthConfig().engine.vllm)
    )
