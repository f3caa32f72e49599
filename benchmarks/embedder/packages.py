"""Reads the sources of published packages out of their archives, permissively licensed ones only.

Understood are wheels, npm tarballs, Debian binary packages (Go, Rust, Ruby and PHP libraries ship their sources in
them) and Debian source packages (``.dsc``: Java, C and C++). A package whose licence is unknown or not permissive is
left out, and so is every single file that mentions a copyleft licence near its top.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from indexer.parse import detect_language

LANGUAGES = frozenset({"python", "javascript", "typescript", "tsx", "go", "java", "rust", "c", "cpp", "ruby", "php"})

_MAX_FILE_BYTES = 300_000
_MAX_LINE_BYTES = 1_000
_MAX_PACKAGE_BYTES = 4_000_000
"""No package may speak for more than this much source, so that a few giants do not set the tone."""

_PERMISSIVE = re.compile(
    r"\b(MIT|Expat|BSD|Apache|ASL|ISC|Zlib|Boost|BSL-1|Unlicense|CC0|0BSD|PSF|Python Software|PostgreSQL|HPND"
    r"|public.domain|X11|curl|libpng|OpenSSL|NTP|WTFPL)",
    re.IGNORECASE,
)
_COPYLEFT = re.compile(
    r"\b(A?L?GPL|GNU|MPL|Mozilla|EPL|Eclipse|CDDL|EUPL|CeCILL|OSL|SSPL|BUSL|Elastic|CC.BY|Proprietary|Commercial)",
    re.IGNORECASE,
)
_COPYLEFT_HEADER = re.compile(
    rb"GNU (?:Lesser |Library |Affero )?General Public|[^a-z]A?L?GPL|Mozilla Public|Eclipse Public|CDDL|EUPL",
    re.IGNORECASE,
)
_VENDORED = re.compile(
    r"(^|/)(_?vendor(ed)?|_?third_?party|extern(al)?s?|node_modules|deps|bundled?|generated|locale|dist|umd|esm5?|min)/"
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One source file of a package, as UTF-8 bytes."""

    path: str
    language: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Package:
    """The usable sources of one package."""

    name: str
    licence: str
    files: tuple[SourceFile, ...]


def read_packages(folder: Path, excluded: frozenset[str]) -> Iterator[Package]:
    """Read every archive below ``folder`` in order of name.

    ``excluded`` names projects that must stay unseen, because something is measured on them: an archive whose name
    contains one of them is not opened. A project met a second time, and a file met in an earlier package, count once.
    """
    seen_projects: set[str] = set()
    seen_files: set[bytes] = set()
    for archive in sorted(folder.rglob("*"), key=lambda path: path.name):
        project = _project(archive.name)
        if project is None or project in seen_projects or any(name in archive.name.lower() for name in excluded):
            continue
        seen_projects.add(project)
        try:
            licence, members = _open(archive)
        except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError):
            continue
        if is_permissive(licence):
            files = tuple(_usable(members, seen_files))
            if files:
                yield Package(project, licence[:80], files)


def is_permissive(licence: str) -> bool:
    """Say whether a licence expression allows use without a duty to share alike.

    Of alternatives (``MIT OR GPL-2.0``) one suffices; what is joined by "and", or merely listed, must be permissive
    throughout.
    """
    return any(
        _PERMISSIVE.search(option) and not _COPYLEFT.search(option)
        for option in re.split(r"\bor\b|/|\|", licence, flags=re.IGNORECASE)
    )


def _project(file_name: str) -> str | None:
    for suffix, separator in ((".whl", "-"), (".deb", "_"), (".dsc", "_")):
        if file_name.endswith(suffix):
            name = file_name.split(separator, maxsplit=1)[0].lower()
            return re.sub(r"(-\d[\d.]*)?-dev$", "", name)
    if file_name.endswith(".tgz"):
        return re.sub(r"-\d.*$", "", file_name).lower()
    return None


def _open(archive: Path) -> tuple[str, Iterator[tuple[str, bytes]]]:
    if archive.suffix == ".whl":
        return _open_wheel(archive)
    if archive.suffix == ".tgz":
        members = dict(_tar_members(archive.open("rb")))
        return _npm_licence(members), iter(members.items())
    if archive.suffix == ".deb":
        members = dict(_tar_members(io.BytesIO(_deb_data(archive.read_bytes()))))
        copyright_files = [data for path, data in members.items() if path.endswith("/copyright")]
        return _debian_licence(copyright_files), iter(members.items())
    return _open_debian_source(archive)


def _open_wheel(archive: Path) -> tuple[str, Iterator[tuple[str, bytes]]]:
    wheel = zipfile.ZipFile(archive)
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    head = wheel.read(metadata).decode("utf-8", "replace").split("\n\n", 1)[0]
    expression = re.findall(r"^License-Expression: (.+)$", head, re.MULTILINE)
    classifiers = re.findall(r"^Classifier: License :: (?:OSI Approved :: )?(.+)$", head, re.MULTILINE)
    free_text = re.findall(r"^License: (.{1,60})", head, re.MULTILINE)
    licence = ", ".join(expression or classifiers or free_text)
    return licence, ((name, wheel.read(name)) for name in wheel.namelist() if _wanted(name))


def _npm_licence(members: dict[str, bytes]) -> str:
    manifest = json.loads(members.get("package/package.json", b"{}"))
    licence = manifest.get("license", "")
    return str(licence.get("type", "") if isinstance(licence, dict) else licence)


def _debian_licence(copyright_files: list[bytes]) -> str:
    """Join the licences of all stanzas except Debian's own packaging."""
    if not copyright_files:
        return ""
    stanzas = copyright_files[0].decode("utf-8", "replace").split("\n\n")
    licences: list[str] = []
    for stanza in stanzas:
        files = re.search(r"^Files: *(.+)$", stanza, re.MULTILINE)
        licence = re.search(r"^License: *(.+)$", stanza, re.MULTILINE)
        if files and licence and files.group(1).strip() == "*":
            licences.append(licence.group(1))
    return ", ".join(licences)


def _open_debian_source(description: Path) -> tuple[str, Iterator[tuple[str, bytes]]]:
    names = set(re.findall(r"^ [0-9a-f]{64} \d+ (\S+)$", description.read_text("utf-8", "replace"), re.MULTILINE))
    packaging = [name for name in names if ".debian.tar" in name]
    originals = [
        name
        for name in names
        if re.search(r"\.orig[^/]*\.tar\.(gz|xz|bz2)$", name) and (description.parent / name).exists()
    ]
    if not packaging or not originals:
        return "", iter(())
    with (description.parent / packaging[0]).open("rb") as stream:
        copyright_files = [data for path, data in _tar_members(stream) if path.endswith("debian/copyright")]
    members = (member for name in sorted(originals) for member in _tar_members((description.parent / name).open("rb")))
    return _debian_licence(copyright_files), members


def _deb_data(archive: bytes) -> bytes:
    """Return the ``data.tar`` of a Debian package, which is an ``ar`` archive."""
    at = 8
    while at + 60 <= len(archive):
        name = archive[at : at + 16].decode("ascii", "replace").strip()
        size = int(archive[at + 48 : at + 58])
        if name.startswith("data.tar"):
            return archive[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    raise ValueError("no data.tar")


def _tar_members(stream: io.BufferedIOBase | io.BufferedReader) -> Iterator[tuple[str, bytes]]:
    with stream, tarfile.open(fileobj=stream) as archive:
        for member in archive:
            kept = _wanted(member.name) or member.name.endswith(("/copyright", "package/package.json"))
            if member.isfile() and kept and member.size <= _MAX_FILE_BYTES:
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name, content.read()


def _wanted(path: str) -> bool:
    return detect_language(path) in LANGUAGES and not _VENDORED.search(path) and not path.endswith((".min.js", ".d.ts"))


def _usable(members: Iterator[tuple[str, bytes]], seen: set[bytes]) -> Iterator[SourceFile]:
    taken = 0
    stems: set[str] = set()
    for path, data in members:
        if not _wanted(path) or not 200 <= len(data) <= _MAX_FILE_BYTES or taken > _MAX_PACKAGE_BYTES:
            continue
        digest = hashlib.blake2b(data, digest_size=16).digest()
        # The same module often ships as .js, .cjs and .mjs.
        stem = PurePosixPath(path).name.split(".")[0] + str(len(data) // 200)
        if digest in seen or (path.endswith(("js", "ts")) and stem in stems):
            continue
        if _COPYLEFT_HEADER.search(data[:3_000]) or max(map(len, data.split(b"\n"))) > _MAX_LINE_BYTES:
            continue
        seen.add(digest)
        stems.add(stem)
        taken += len(data)
        yield SourceFile(path, detect_language(path), data.replace(b"\r\n", b"\n"))
