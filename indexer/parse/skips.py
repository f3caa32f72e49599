"""What is left out of the index, decided by path first (no bytes read) and by content second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from indexer.parse.decoding import decode, has_text_mark
from indexer.types import SkipReason


@dataclass(frozen=True, slots=True)
class BlobSkip:
    """Why a file is left out; ``detail`` is a short sentence with the figure or mark that decided."""

    reason: SkipReason
    detail: str


class SkipLimits(Protocol):
    """The settings that decide; ``indexer.config.IndexConfig`` has them."""

    @property
    def max_file_bytes(self) -> int:
        """Files larger than this many bytes are skipped."""

    @property
    def secrets(self) -> bool:
        """Whether files that are made for secrets are skipped."""


SYMLINK_MODE = 0o120000
SUBMODULE_MODE = 0o160000

_GENERATED_NAMES = frozenset(
    {
        "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock",
        "cargo.lock", "poetry.lock", "pdm.lock", "uv.lock", "pipfile.lock", "pixi.lock", "composer.lock",
        "gemfile.lock", "podfile.lock", "go.sum", "go.work.sum", "mix.lock", "pubspec.lock", "flake.lock",
        "packages.lock.json", "gradle.lockfile", "package.resolved", "gradlew", "gradlew.bat", "mvnw", "mvnw.cmd",
        "aclocal.m4", "configure", "ltmain.sh", "config.guess", "config.sub", "install-sh",
    }
)  # fmt: skip
_GENERATED_PATH = re.compile(
    r"""
    \.pb\.(?:go|cc|h|gw\.go)$ | _pb2(?:_grpc)?\.pyi?$ | _grpc\.pb\.go$ | \.pb\.validate\.go$
    | \.g\.(?:cs|dart)$ | \.freezed\.dart$ | \.designer\.cs$ | (?:^|/)zz_generated[^/]*$ | \.generated\.\w+$
    | \.(?:js|css|mjs|cjs)\.map$ | \.snap$ | (?:^|/)__generated__/ | \.tsbuildinfo$
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MINIFIED_PATH = re.compile(r"[.-]min\.(?:js|css|mjs|cjs)$|\.bundle\.js$|\.chunk\.js$", re.IGNORECASE)
_PACKAGES_PATH = re.compile(r"(?:^|/)(node_modules|bower_components|site-packages|\.yarn|__pycache__)/")
_SECRET_NAME = re.compile(
    r"""
    # Files such as .env.example show which settings there are.
    \.env(?:\.(?!(?:.*\.)?(?:example|sample|template|dist|defaults)$)[^.]+)*$
    | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$ | .+\.(?:ppk|kdbx)$
    | \.(?:netrc|pgpass|git-credentials|htpasswd|vault-token)$
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BINARY_EXTENSIONS = frozenset(
    {
        "png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "ico", "icns", "tif", "tiff", "psd", "ai", "eps", "pdf",
        "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "zip", "gz", "tgz", "bz2", "xz", "zst", "7z",
        "rar", "tar", "jar", "war", "ear", "class", "o", "a", "so", "dylib", "dll", "exe", "lib", "obj", "pyc",
        "pyo", "wasm", "bin", "db", "sqlite", "sqlite3", "mp3", "mp4", "m4a", "wav", "ogg", "flac", "avi", "mov",
        "mkv", "webm", "woff", "woff2", "ttf", "otf", "eot", "keystore", "jks", "p12", "pfx", "der", "npy", "npz",
        "parquet", "onnx", "pt", "safetensors", "gguf", "pickle", "pkl", "node", "nupkg", "whl", "deb", "rpm", "dmg",
        "iso", "apk", "ipa", "aar",
    }
)  # fmt: skip

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_GENERATED_MARK = re.compile(
    rb"""
    code[ ]generated[ ].{0,200}?do[ ]not[ ]edit | @generated\b | <auto-?generated
    | \bauto(?:matically|-)?\s?-?generated\b.{0,120}?\b(?:do[ ]not|don't)\s+(?:edit|modify|change)
    | \b(?:do[ ]not|don't)\s+(?:edit|modify).{0,120}?\bauto(?:matically|-)?\s?-?generated\b
    | this[ ]file[ ](?:was|is)[ ](?:auto(?:matically|-)?\s?-?)?generated[ ](?:by|from|using)\b
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_COMMENT_LINE = re.compile(rb"\s*(?:#|//|/\*|\*|--|;|%|<!--|\"\"\"|'''|rem\b|dnl\b|\{-|\(\*)", re.IGNORECASE)
_HEAD_LINES = 20
_HEAD_BYTES = 4096
_BINARY_PROBE = 8192

_MINIFIED_LANGUAGE_BYTES = 2_000
_MAX_MEAN_LINE = 300
_MAX_LINE = 20_000


def skip_path(path: str, mode: int, size: int, config: SkipLimits) -> BlobSkip | None:
    """Decide by what git's tree says alone.

    Args:
        path: Path in the repository, separated by ``/``.
        mode: Git's mode of the entry.
        size: Bytes of the blob.
        config: Limits.
    """
    if mode == SYMLINK_MODE:
        return BlobSkip(SkipReason.SYMLINK, "a symbolic link; its target is indexed where it stands")
    if mode == SUBMODULE_MODE:
        return BlobSkip(SkipReason.SUBMODULE, "a submodule; index its repository by itself")
    if size == 0:
        return BlobSkip(SkipReason.EMPTY, "0 bytes")
    named = _skip_name(path) or (_skip_secret_name(path) if config.secrets else None)
    if named is None and size > config.max_file_bytes:
        return BlobSkip(SkipReason.TOO_LARGE, f"{_size(size)}, limit {_size(config.max_file_bytes)}")
    return named


def skip_content(data: bytes, config: SkipLimits) -> BlobSkip | None:
    """Decide by the bytes of the blob."""
    if len(data) > config.max_file_bytes:
        return BlobSkip(SkipReason.TOO_LARGE, f"{_size(len(data))}, limit {_size(config.max_file_bytes)}")
    if not data.strip():
        return BlobSkip(SkipReason.EMPTY, "nothing but white space" if data else "0 bytes")
    if data.startswith(_LFS_POINTER):
        return BlobSkip(SkipReason.LFS_POINTER, "a Git LFS pointer; the content is not in the repository")
    if not has_text_mark(data) and (position := data.find(b"\0", 0, _BINARY_PROBE)) >= 0:
        return BlobSkip(SkipReason.BINARY, f"NUL byte at offset {position}")
    text = decode(data)
    if text is None:
        return BlobSkip(SkipReason.UNDECODABLE, "neither UTF-8 nor UTF-16 with a mark nor plausible Windows-1252")
    return _generated(data) or _minified(text)


def _skip_name(path: str) -> BlobSkip | None:
    name = path.rpartition("/")[2].lower()
    extension = name.rpartition(".")[2] if "." in name else ""
    skip: BlobSkip | None = None
    if match := _PACKAGES_PATH.search(path):
        skip = BlobSkip(SkipReason.IGNORED, f"installed packages under {match.group(1)}/")
    elif extension in _BINARY_EXTENSIONS:
        skip = BlobSkip(SkipReason.BINARY, f".{extension} files are binary")
    elif name in _GENERATED_NAMES:
        skip = BlobSkip(SkipReason.GENERATED, f"{name} is written by a tool")
    elif match := _GENERATED_PATH.search(path):
        skip = BlobSkip(SkipReason.GENERATED, f"named like a generated file ({match.group().lstrip('/')})")
    elif match := _MINIFIED_PATH.search(path):
        skip = BlobSkip(SkipReason.MINIFIED, f"named like a minified file ({match.group()})")
    return skip


def _skip_secret_name(path: str) -> BlobSkip | None:
    name = path.rpartition("/")[2]
    return BlobSkip(SkipReason.SECRET, f"{name} is a file for secrets") if _SECRET_NAME.match(name) else None


def _generated(data: bytes) -> BlobSkip | None:
    # A mark counts only in a comment near the top: code that writes generated files mentions the mark in strings.
    head = b"\n".join(data[:_HEAD_BYTES].split(b"\n")[:_HEAD_LINES])
    match = _GENERATED_MARK.search(head)
    if match is None:
        return None
    line_start = head.rfind(b"\n", 0, match.start()) + 1
    if not _COMMENT_LINE.match(head, line_start):
        return None
    mark = " ".join(match.group().decode("utf-8", "replace").split())
    line = head.count(b"\n", 0, match.start()) + 1
    return BlobSkip(SkipReason.GENERATED, f"line {line} says “{mark[:80]}”")


def _minified(text: str) -> BlobSkip | None:
    if len(text) < _MINIFIED_LANGUAGE_BYTES:
        return None
    lines = text.split("\n")
    longest = max(map(len, lines))
    if longest > _MAX_LINE:
        return BlobSkip(SkipReason.MINIFIED, f"a line of {longest:,} characters, limit {_MAX_LINE:,}")
    mean = len(text) / sum(1 for line in lines if line.strip())
    # Prose is often one line a paragraph, with spaces; minified code has few.
    if mean > _MAX_MEAN_LINE and text.count(" ") < len(text) / 12:
        return BlobSkip(SkipReason.MINIFIED, f"{mean:,.0f} characters a line on average, limit {_MAX_MEAN_LINE}")
    return None


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1000:.1f} kB"
