"""Salts that keep what a model server caches of one tenant's prompts from the others."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path

from server.errors import EngineRefused

_log = logging.getLogger(__name__)

_KEY_BYTES = 32
_OTHERS = 0o077


class TenantSalts:
    """Derives ``cache_salt`` from a tenant's name with a secret key.

    The time to a first token tells whether the beginning of a prompt was asked before. With salts that nobody can
    compute a tenant sees that of its own prompts only.

    Args:
        key: The secret; empty uses the one in ``key_file``.
        key_file: Where a key is kept, and made at first use; None makes one that lasts as long as this object.
    """

    def __init__(self, key: bytes = b"", key_file: Path | None = None) -> None:
        self._key = key
        self._key_file = key_file

    @property
    def ready(self) -> bool:
        """Whether the key is in memory."""
        return bool(self._key)

    def prepare(self) -> None:
        """Read or make the key. Blocks: call it off the event loop.

        Raises:
            EngineRefused: The file of the key cannot be read or written, or does not hold a key.
        """
        self._key = secrets.token_bytes(_KEY_BYTES) if self._key_file is None else _read_key(self._key_file)

    def salt(self, tenant: str) -> str:
        """Return the salt of a tenant, 64 hexadecimal digits; the key must be ready."""
        return hmac.new(self._key, tenant.encode(), hashlib.sha256).hexdigest()


def _read_key(path: Path) -> bytes:
    try:
        with contextlib.suppress(FileExistsError):
            _make_key(path)
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                _log.warning("%s could be read by others than its owner; now it cannot", path)
                path.chmod(0o600)
            key = file.read(_KEY_BYTES + 1)
    except OSError as error:
        raise EngineRefused(
            f"{path}, the key that keeps tenants apart, cannot be used: {error.strerror}",
            advice="Make its directory writable, or name the key in [engine.vllm] cache_salt_key_env.",
        ) from error
    if len(key) != _KEY_BYTES:
        raise EngineRefused(
            f"{path} does not hold a key of {_KEY_BYTES} bytes", advice="Delete it, and a new one is made."
        )
    return key


def _make_key(path: Path) -> None:
    """Make the file as a whole or not at all, also when two processes start at once."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        path.hardlink_to(making)
    finally:
        making.unlink(missing_ok=True)
