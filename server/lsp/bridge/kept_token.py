"""Where ``hearth sign-in`` keeps the token of each server for ``hearth connect``: a file that its owner alone reads."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs


def kept_token_file(url: str) -> Path:
    """Return the file for a server's address; it need not be there."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    # An IPv6 address has colons, which not every file system takes.
    host = re.sub(r"[^a-z0-9.-]", "_", (parts.hostname or "").lower())
    return Path(platformdirs.user_config_dir("hearth", appauthor=False), "tokens", f"{host}_{port}")


def keep_token(file: Path, token: str) -> None:
    """Write a token, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by its owner alone from the first byte on.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{token}\n")
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
