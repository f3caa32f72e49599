"""What users read agrees with what the program does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client import REGISTRY

import server.completion.metrics
import server.engine.metrics
import server.event_loop
import server.explain.metrics
import server.gateway.metrics
import server.prompt.metrics  # noqa: F401  # they register their metrics
from indexer.errors import IndexerError
from server.cli.app import app

DOCS = Path(__file__).resolve().parents[1] / "docs"
_SHARED = {"--data", "--config", "--json", "--help"}


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    nested = getattr(command, "commands", None)
    if nested is None:
        yield name, command
    else:
        for inner, child in nested.items():
            yield from _commands(f"{name} {inner}", child)


COMMANDS = dict(_commands("hearth", typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    sections = dict(re.findall(r"^## (hearth .+?)\n(.*?)(?=^## |\Z)", (DOCS / "commands.md").read_text(), re.M | re.S))
    assert name in sections
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "option":
            spellings = [*parameter.opts, *parameter.secondary_opts]
            assert _SHARED & set(spellings) or any(spelling in sections[name] for spelling in spellings), spellings


def test_no_command_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^## (hearth .+)$", (DOCS / "commands.md").read_text(), re.M)
    assert sorted(documented) == sorted(COMMANDS)


def test_every_exit_status_is_documented() -> None:
    table = {int(status) for status in re.findall(r"^\| (\d+) \|", (DOCS / "commands.md").read_text(), re.M)}
    assert {error.exit_code for error in _tree(IndexerError)} <= table


def test_every_metric_is_documented_with_its_labels() -> None:
    text = (DOCS / "metrics.md").read_text()
    documented = dict(re.findall(r"^\| `(hearth_\w+)` \| (.*)$", text, re.M))
    registered = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in REGISTRY.collect()
        if family.name.startswith("hearth_")
    }
    assert documented.keys() == registered.keys()
    for name, family in registered.items():
        assert documented[name].startswith(family.type)
        assert family.documentation in documented[name]


def _tree(cls: type[IndexerError]) -> Iterator[type[IndexerError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _tree(child)
