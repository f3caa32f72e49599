"""The Neovim plugin's help, its settings, its commands and the protocol tell the same story."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "editors" / "neovim"
HELP = (PLUGIN / "doc" / "hearth.txt").read_text()
SOURCES = {path.stem: path.read_text() for path in (PLUGIN / "lua" / "hearth").glob("*.lua")}


def settings() -> list[str]:
    """Return the dotted names of all settings."""
    plain = re.findall(r"^  (\w+) = setting\(", SOURCES["config"], re.MULTILINE)
    sections = re.findall(r'^  \["([\w.]+)"\] = setting\(', SOURCES["config"], re.MULTILINE)
    return plain + sections


def tags() -> set[str]:
    return set(re.findall(r"\*([^\s*]+)\*", HELP))


def test_every_setting_has_a_place_in_the_help() -> None:
    assert len(settings()) > 20
    assert {f"hearth.{name}" for name in settings()} <= tags()


def test_the_help_names_no_setting_that_is_gone() -> None:
    known = {f"hearth.{name}" for name in settings()} | {"hearth.keymaps", "hearth.txt"}
    assert {tag for tag in tags() if tag.startswith("hearth.") and not tag.endswith("()")} == known


def test_every_link_of_the_help_leads_somewhere() -> None:
    links = set(re.findall(r"\|(:?[Hh]earth[^|\s]*)\|", HELP))
    assert len(links) > 10
    assert links <= tags(), links - tags()


def test_every_setting_is_typed() -> None:
    fields = set(re.findall(r"^---@field (\w+) ", SOURCES["config"], re.MULTILINE))
    assert {name.rpartition(".")[2] for name in settings()} <= fields


@pytest.mark.parametrize("name", [name for name in settings() if name.startswith("keymaps.")])
def test_keys_in_the_help_are_the_default_keys(name: str) -> None:
    found = re.search(rf'\["{re.escape(name)}"\] = setting\(\s*"([^"]+)"', SOURCES["config"])
    assert found is not None
    assert re.search(rf"\b{name.partition('.')[2]} = \"{re.escape(found[1])}\",", HELP)


def test_every_command_and_function_is_in_the_help() -> None:
    commands = set(re.findall(r'define\(\s*"(Hearth\w+)"', SOURCES["commands"]))
    functions = set(re.findall(r"^function M\.(\w+)\(", SOURCES["init"], re.MULTILINE)) - {"setup", "statusline"}
    assert len(commands) == 9
    assert {f":{name}" for name in commands} == {tag for tag in tags() if tag.startswith(":")}
    assert {f"hearth.{name}()" for name in functions} <= tags()


def test_every_method_that_is_sent_is_in_the_protocol() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text()
    sources = "\n".join(SOURCES.values())
    methods = set(re.findall(r'"(hearth/\w+)"', sources)) - {"hearth/did"}
    methods |= {f"hearth/did{what}Completion" for what in re.findall(r'send\("(\w+)"', SOURCES["telemetry"])}
    assert len(methods) == 8
    for method in methods:
        assert f"`{method}`" in protocol, method
