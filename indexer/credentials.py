"""Secrets by reference: settings and registrations say where one is kept, and never what it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from indexer.errors import CredentialMissing, SourceRefused

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_SECRET_CHARACTERS = 16_384


def check_credential(reference: str) -> None:
    """Refuse what is not the place of a secret; the secret itself is not looked at.

    Raises:
        SourceRefused: It is not ``env:NAME``, ``file:/PATH`` or empty.
    """
    kind, _, rest = reference.partition(":")
    if reference and not (
        (kind == "env" and _VARIABLE.fullmatch(rest)) or (kind == "file" and Path(rest).is_absolute())
    ):
        # Not repeated: it may well be the secret.
        raise SourceRefused(
            "a credential is given by the place where it is kept", advice="Say env:NAME or file:/ABSOLUTE/PATH."
        )


def read_secret(reference: str) -> str:
    """Return the secret that a reference stands for, without the white space around it.

    Raises:
        CredentialMissing: The variable is not set, or the file is empty, too large or cannot be read.
        SourceRefused: It is no reference.
    """
    check_credential(reference)
    kind, _, place = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(place, "")
        where = f"the environment variable {place}"
    else:
        where = f"the file {place}"
        try:
            with Path(place).open(encoding="utf-8") as file:
                secret = file.read(_MOST_SECRET_CHARACTERS + 1)
        except (OSError, ValueError) as error:
            raise CredentialMissing(
                f"{where} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}",
                advice="It must exist and be readable for the user that runs Hearth.",
            ) from error
        if len(secret) > _MOST_SECRET_CHARACTERS:
            raise CredentialMissing(f"{where} is larger than any secret", advice="Name the file that holds it alone.")
    if not secret.strip():
        raise CredentialMissing(f"{where} holds no secret", advice="Set it where Hearth is started.")
    return secret.strip()
