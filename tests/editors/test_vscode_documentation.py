"""The extension's settings, commands, code and documentation tell the same story."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "editors" / "vscode"
MANIFEST: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text())
README = (EXTENSION / "README.md").read_text()
SOURCES = {path.stem: path.read_text() for path in (EXTENSION / "src").rglob("*.ts")}
SETTINGS: dict[str, Any] = MANIFEST["contributes"]["configuration"]["properties"]


def test_every_setting_is_in_the_readme_and_nothing_else() -> None:
    assert set(re.findall(r"^\| `(hearth\.[\w.]+)` \|", README, re.MULTILINE)) == set(SETTINGS)


def test_every_setting_that_is_read_exists() -> None:
    found = re.search(r"interface Settings \{(.*?)\n\}", SOURCES["settings"], re.DOTALL)
    assert found is not None
    read = {f"hearth.{name}" for name in re.findall(r'^  "?([\w.]+)"?:', found[1], re.MULTILINE)}
    # The language client reads the trace setting by itself.
    assert read == set(SETTINGS) - {"hearth.trace.server"}


def test_settings_that_name_programs_and_places_cannot_come_from_a_repository() -> None:
    restricted = MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    of_machine = {name for name, value in SETTINGS.items() if value["scope"] == "machine"}
    # What leaves the editor is for a folder to say only once it is trusted.
    assert set(restricted) == of_machine | {"hearth.exclude", "hearth.telemetry"}
    assert of_machine == {
        "hearth.server.url",
        "hearth.server.certificateAuthority",
        "hearth.server.path",
        "hearth.server.arguments",
        "hearth.data",
        "hearth.config",
    }


def test_every_command_that_is_offered_is_registered() -> None:
    offered = {command["command"] for command in MANIFEST["contributes"]["commands"]}
    registered = set(re.findall(r'(?:command|registerTextEditorCommand)\("(hearth\.\w+)"', SOURCES["extension"]))
    assert offered == registered


def test_defaults_in_the_readme_are_the_default_values() -> None:
    rows = dict(re.findall(r"^\| `(hearth\.[\w.]+)` \| ([^|]+) \|", README, re.MULTILINE))
    written = {name: json.dumps(value["default"]) for name, value in SETTINGS.items()}
    for name, said in rows.items():
        # A long list is said in words.
        if name != "hearth.exclude":
            plain = said.strip("`")
            assert (
                plain == written[name]
                or json.dumps(plain) == written[name]
                or (plain, written[name]) == ("empty", '""')
            )


def test_commands_in_the_readme_are_those_of_the_palette() -> None:
    contributes = MANIFEST["contributes"]
    hidden = {entry["command"] for entry in contributes["menus"]["commandPalette"] if entry["when"] == "false"}
    # That of the context menu, which shows no category, has its name in its title.
    titles = {
        f"{entry['category']}: {entry['title']}" if "category" in entry else entry["title"]
        for entry in contributes["commands"]
        if entry["command"] not in hidden
    }
    assert set(re.findall(r"\*(Hearth: [^*]+)\*", README)) == titles


def test_no_command_takes_the_name_of_a_command_of_the_server() -> None:
    offered = {command["command"] for command in MANIFEST["contributes"]["commands"]}
    of_server = set(re.findall(r'^export const SERVER_\w+ = "(hearth\.\w+)"', SOURCES["protocol"], re.MULTILINE))
    assert len(of_server) == 3
    assert not offered & of_server


def test_lock_files_name_no_registry() -> None:
    for path in (EXTENSION, ROOT / "tests" / "editors" / "code_server"):
        assert '"resolved"' not in (path / "package-lock.json").read_text()
