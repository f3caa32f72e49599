"""The part of ``hearth doctor`` that looks at what the team server shows to others: its certificate, its downloads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from indexer.cli_doctor import Finding, Level
from server.config import ServerConfig
from server.gateway.downloads import packages
from server.gateway.tls import SOON_SECONDS, examine_certificate

_DAY_SECONDS = 86_400.0
_OTHERS = 0o007


def examine_certificate_files(config: ServerConfig) -> Iterator[Finding]:
    """Look at the certificate: whether it belongs to its key, is valid, for how long, and for which names."""
    name, file = "certificate", config.tls.certificate
    key = Path(config.tls.key or file).expanduser()
    if not file:
        yield Finding(Level.OK, name, "none configured; encryption is a proxy's matter")
        return
    verdict = examine_certificate(config.tls)
    if verdict.problem:
        yield Finding(
            Level.FAIL, name, f"{file} is not valid: {verdict.problem}", "Renew it; a server that runs reads it again."
        )
        return
    left = verdict.expires - time.time()
    message = f"{file} is for {', '.join(verdict.names) or 'no name'} and expires in {left / _DAY_SECONDS:.0f} days"
    if left <= SOON_SECONDS:
        yield Finding(Level.WARN, name, message, "Renew it; a server that runs reads it again.")
    else:
        yield Finding(Level.OK, name, message)
    host = urlsplit(config.public_url).hostname
    if host and examine_certificate(config.tls, host).problem:
        yield Finding(
            Level.FAIL,
            name,
            f"it is not for {host}, the host of [server] public_url",
            "Get one for that name, or correct `public_url`, unless a proxy with another certificate is before it.",
        )
    if key.stat().st_mode & _OTHERS:
        yield Finding(Level.WARN, name, f"everybody on this machine can use its key {key}", f"chmod o= {key}")


def examine_downloads(directory: Path) -> Iterator[Finding]:
    """Look at the packages for editors; nobody expects any of a server that has no users."""
    found = packages(directory)
    listed = ", ".join(f"{package.name} ({package.size / 1e6:.1f} MB)" for package in found)
    if any(package.name.endswith(".vsix") for package in found):
        yield Finding(Level.OK, "downloads", listed)
    else:
        yield Finding(
            Level.WARN,
            "downloads",
            f"{directory} has no extension for VS Code" + (f", only {listed}" if listed else ""),
            f"In a checkout of Hearth: make downloads DATA={directory.parent}. The page *Connect* then offers it.",
        )
