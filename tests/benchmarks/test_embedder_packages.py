"""Which packages may teach the embedder, and what is read of them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks.embedder.definitions import package_definitions
from benchmarks.embedder.packages import is_permissive, read_packages

SOURCE = '''
def read_settings(path):
    """Load the settings of a project from a TOML file."""
    with open(path, "rb") as stream:
        document = tomllib.load(stream)
    return Settings(document)


def start(path):
    settings = prepare(path)
    log.info("starting with %s", path)
    environment = dict(os.environ)
    return settings, environment
'''


def make_wheel(folder: Path, name: str, licence: str, source: str = SOURCE) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nLicense-Expression: {licence}\n\nText")
        wheel.writestr(f"{name}/settings.py", source)
        wheel.writestr(f"{name}/_vendor/other.py", source + "# vendored")


def make_npm_tarball(folder: Path, name: str, licence: str) -> None:
    with tarfile.open(folder / f"{name}-2.1.0.tgz", "w:gz") as archive:
        for path, text in (
            ("package/package.json", json.dumps({"license": licence})),
            ("package/lib/index.js", "// Adds.\nfunction add(a, b) {\n  const sum = a + b;\n  return sum;\n}\n" * 9),
        ):
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize(
    "licence", ["MIT", "Expat", "Apache-2.0", "BSD-3-Clause", "MIT or Apache-2.0", "GPL-2 or Apache-2.0", "MIT License"]
)
def test_permissive_licences_are_taken(licence: str) -> None:
    assert is_permissive(licence)


@pytest.mark.parametrize(
    "licence", ["", "GPL-3.0", "MPL-2.0", "MIT and GPL-2+", "LGPL-2.1 or EPL-2.0", "Custom", "MIT, GPL-2"]
)
def test_copyleft_and_unknown_licences_are_not(licence: str) -> None:
    assert not is_permissive(licence)


def test_only_permissive_packages_that_nothing_is_measured_on_are_read(tmp_path: Path) -> None:
    make_wheel(tmp_path, "allowed", "MIT")
    make_wheel(tmp_path, "copyleft", "GPL-3.0-or-later", SOURCE + "x = 1\n")
    make_wheel(tmp_path, "measured", "MIT", SOURCE + "x = 2\n")
    make_wheel(tmp_path, "repeated", "MIT")
    make_wheel(tmp_path, "single", "MIT", "# GNU General Public License, version 3\n" + SOURCE)
    make_npm_tarball(tmp_path, "adding", "ISC")
    packages = {package.name: package for package in read_packages(tmp_path, frozenset({"measured"}))}
    assert sorted(packages) == ["adding", "allowed"]
    assert [file.path for file in packages["allowed"].files] == ["allowed/settings.py"]


def test_code_of_a_definition_lacks_its_documentation(tmp_path: Path) -> None:
    make_wheel(tmp_path, "allowed", "MIT")
    (package,) = read_packages(tmp_path, frozenset())
    first = package_definitions(package, 0)[0]
    assert first.name == "read_settings"
    assert first.documentation == "Load the settings of a project from a TOML file."
    assert "tomllib" in first.code
    assert "Load the settings" not in first.code
