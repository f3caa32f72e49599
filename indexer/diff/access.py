"""Which remotes a server may read for people who can register repositories, and with which credentials.

A URL that someone registers makes the server open connections. So only HTTPS and SSH are spoken, internal addresses are
refused unless the administrator lists them, the addresses that were checked are the ones that git connects to, and no
redirect is followed. Secrets reach git through its environment: never through its arguments, a URL, or a file of ours.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import socket
from urllib.parse import urlsplit

from indexer.credentials import read_secret
from indexer.errors import CredentialMissing, SourceRefused
from indexer.types import RemoteAccess

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SCHEMES = {"https": 443, "ssh": 22, "git+ssh": 22, "ssh+git": 22}
_SCP_LIKE = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<path>(?!/?$).+)"
)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_DEFAULT_USER = "oauth2"
# Git runs this with a shell and adds what it wants to know; the secret is only in the environment.
_HELPER = (
    '!hearth() { test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    ' "$HEARTH_GIT_USER" "$HEARTH_GIT_SECRET"; }; hearth'
)


def check_url(url: str) -> None:
    """Refuse a URL by its form alone.

    Raises:
        SourceRefused: It is not HTTPS or SSH, holds a secret, or could be taken for something else by git.
    """
    _parse(url)


def remote_environment(url: str, access: RemoteAccess) -> dict[str, str]:
    """Return what to add to git's environment to read ``url`` under the rules of ``access``; asks the name service.

    Raises:
        SourceRefused: The URL or one of its addresses is not allowed.
        CredentialMissing: See :func:`read_secret`.
    """
    scheme, host, port = _parse(url)
    address = _checked_address(host, port, access)
    settings = [
        ("http.followRedirects", "false"),
        ("http.lowSpeedLimit", "1000"),
        ("http.lowSpeedTime", "60"),
        ("credential.helper", ""),
        ("core.askPass", ""),
    ]
    environment = {"GIT_ALLOW_PROTOCOL": "https:ssh", "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
    if scheme == "https":
        settings.append(("http.curloptResolve", f"{host}:{port}:{_bracketed(address)}"))
        if access.credential:
            user, _, secret = read_secret(access.credential).rpartition(":")
            environment |= {"HEARTH_GIT_USER": user or _DEFAULT_USER, "HEARTH_GIT_SECRET": secret}
            settings.append((f"credential.https://{urlsplit(url).netloc}.helper", _HELPER))
    else:
        environment["GIT_SSH_COMMAND"] = _ssh_command(host, address, access)
        environment["GIT_SSH_VARIANT"] = "ssh"
    environment["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (key, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def _parse(url: str) -> tuple[str, str, int]:
    """Return ``(https or ssh, host, port)``."""
    if url.startswith("-") or not url.isprintable() or " " in url:
        raise _refused(url, "it has characters that no URL of a repository needs")
    if "::" in url.partition("://")[0].partition("[")[0]:
        raise _refused(url, "git would start a program for it")
    if "://" not in url:
        match = _SCP_LIKE.fullmatch(url)
        if match is None:
            raise _refused(url, "it is neither HTTPS nor SSH")
        return "ssh", match["host"].strip("[]"), 22
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _refused(url, "it is not a URL") from error
    port = _SCHEMES.get(parts.scheme)
    if port is None:
        raise _refused(f"{parts.scheme}://…", f"{parts.scheme}:// is neither HTTPS nor SSH")
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise SourceRefused(
            f"the URL for {parts.hostname} holds a user name or a secret",
            advice="Leave it out, and name the place of the secret with --credential-env or --credential-file.",
        )
    if parts.query or parts.fragment:
        raise _refused(url, "it has a query or a fragment")
    try:
        host, port = parts.hostname or "", parts.port or port
    except ValueError as error:
        raise _refused(url, "its port is not a number") from error
    if not _HOST.fullmatch(host) or (parts.username or "").startswith("-"):
        raise _refused(url, "its host has no usable name")
    if not parts.path.strip("/"):
        raise _refused(url, "it names no repository")
    return ("https" if parts.scheme == "https" else "ssh"), host, port


def _checked_address(host: str, port: int, access: RemoteAccess) -> str:
    """Look a host up once, check every address it has, and return the one to use."""
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise SourceRefused(
            f"the host {host} has no address", advice="Check the URL and the name service of this machine."
        ) from error
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if not _allowed(host, address, access):
            raise SourceRefused(
                f"{host} has the internal address {address}, which registered repositories may not reach",
                advice="If it is a server of yours, list it under `internal_hosts` in [repositories] of hearth.toml.",
            )
    return found[0]


def _allowed(host: str, address: _Address, access: RemoteAccess) -> bool:
    plain: _Address = address
    if isinstance(address, ipaddress.IPv6Address):
        plain = address.ipv4_mapped or address.sixtofour or _translated(address) or address
    if plain.is_global and not plain.is_multicast:
        return True
    for entry in access.internal:
        try:
            if plain in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            if entry.lower().rstrip(".") == host.lower().rstrip("."):
                return True
    return False


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return what a NAT64 gateway would connect to (RFC 6052)."""
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _ssh_command(host: str, address: str, access: RemoteAccess) -> str:
    """Let SSH connect to the checked address under the name of the host, asking nobody anything."""
    options = ["BatchMode=yes", f"HostName={address}", f"HostKeyAlias={host}", "ProxyCommand=none", "ProxyJump=none"]
    command = ["ssh", *(part for option in options for part in ("-o", option))]
    if access.credential:
        kind, _, place = access.credential.partition(":")
        if kind != "file":
            raise CredentialMissing(
                "an SSH key is kept in a file or an agent, not in a variable",
                advice="Use --credential-file with the path of the key, or --ssh for the agent.",
            )
        command += ["-o", "IdentitiesOnly=yes", "-i", place]
    return shlex.join(command)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _refused(url: str, reason: str) -> SourceRefused:
    return SourceRefused(
        f"{url!r} cannot be registered: {reason}", advice="Use https://HOST/PATH or ssh://USER@HOST/PATH."
    )
