"""The units and the container file of docs/operations: what they start is there, and what they allow is little."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from server.cli.app import app
from tests.operations.services import DOCS

ROOT = DOCS.parent.parent
UNITS = ["hearth.service", "hearth-engine.service"]
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")


def started(text: str) -> list[str]:
    """Return the arguments of the command that a unit starts."""
    (found,) = re.findall(r"^ExecStart=/opt/hearth/bin/hearth (.*)$", text, re.MULTILINE)
    return str(found).split()


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_that_there_is(name: str) -> None:
    command = typer.main.get_command(app)
    words = started((DOCS / name).read_text())
    while words and not words[0].startswith("-"):
        command = getattr(command, "commands")[words.pop(0)]  # noqa: B009  # typer's own types do not say that it has them
    spellings = {spelling for parameter in command.params for spelling in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= spellings


@needs_systemd
@pytest.mark.parametrize(("name", "exposure"), [("hearth.service", 2.0), ("hearth-engine.service", 3.0)])
def test_systemd_takes_the_unit_and_finds_it_hardened(name: str, exposure: float, tmp_path: Path) -> None:
    unit = tmp_path / name
    unit.write_text((DOCS / name).read_text().replace("/opt/hearth/bin/hearth", shutil.which("true") or ""))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={exposure * 10:.0f}", "--no-pager", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout.splitlines()[-1:]


def test_the_container_file_copies_what_there_is_and_runs_as_nobody_special() -> None:
    text = (DOCS / "Containerfile").read_text()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    *_, last = re.split(r"^FROM ", text, flags=re.MULTILINE)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    # Other formats of images know no health check, and podman would leave it out.
    for line in re.findall(r"podman build .*", text + (DOCS / "deploying.md").read_text()):
        assert "--format docker" in line
    assert not re.search(r"^ADD |curl|wget", text, re.MULTILINE)
