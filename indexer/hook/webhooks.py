"""Webhooks of the forges: who sent it is checked before a byte of it is parsed, then it says what was pushed.

GitHub, Gitea (and Forgejo) and Bitbucket sign the body with HMAC-SHA256. GitLab signs id, time and body where a signing
token is set (as the Standard Webhooks specification says), and otherwise sends the secret itself.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from indexer.errors import IndexerError
from indexer.queue.refs import followed_names

MOST_WEBHOOK_BYTES = 25_000_000
"""What GitHub sends at most."""
_MOST_CLOCK_SECONDS = 300.0
_MOST_ID_CHARACTERS = 200
_SIGNING_TOKEN = "whsec_"  # noqa: S105 -- how such tokens begin  # nosec B105


class Forge(enum.StrEnum):
    """Who sends webhooks."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    BITBUCKET = "bitbucket"


class WebhookRefused(IndexerError):
    """A webhook is not accepted. ``status`` is the HTTP status to answer with."""

    exit_code = 13
    code = "webhook-refused"

    def __init__(self, message: str, *, advice: str = "", status: int) -> None:
        super().__init__(message, advice=advice)
        self.status = status


@dataclass(frozen=True, slots=True)
class PushEvent:
    """What a webhook says.

    Attributes:
        forge: Who sent it.
        delivery: The forge's id of the delivery.
        digest: Stands for the body.
        urls: Addresses by which the forge knows the repository.
        refs: Short names of the branches and tags that were pushed or deleted; empty when it is about something else.
        event: The forge's name for what happened.
    """

    forge: Forge
    delivery: str
    digest: str
    urls: tuple[str, ...]
    refs: tuple[str, ...]
    event: str


def read_webhook(forge: Forge, headers: Mapping[str, str], body: bytes, secret: str) -> PushEvent:
    """Check and read one webhook.

    Args:
        forge: Whose endpoint it came to.
        headers: Of the request; their case does not matter.
        body: As it was received, byte for byte.
        secret: What the forge and we both know.

    Raises:
        WebhookRefused: It is not signed with that secret, too old, too large, or not what that forge sends.
    """
    if not secret:
        raise WebhookRefused(f"webhooks of {forge} are not set up here", status=403)
    if len(body) > MOST_WEBHOOK_BYTES:
        raise WebhookRefused(f"the body is larger than {MOST_WEBHOOK_BYTES:,} bytes", status=413)
    lower = {name.lower(): value for name, value in headers.items()}
    _CHECKS[forge](lower, body, secret)
    digest = hashlib.sha256(body).hexdigest()
    event, delivery = _event(forge, lower), _delivery(forge, lower) or digest
    try:
        fields = json.loads(_unwrapped(lower, body))
        urls, refs = _READERS[forge](event, fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WebhookRefused(f"the body is not what {forge} sends for {event!r}", status=400) from error
    return PushEvent(forge, delivery, digest, urls, followed_names(refs), event)


def same_repository(url: str) -> str:
    """Return what all addresses of one repository have in common: host and path, however it is reached."""
    text = url.strip()
    text = text.partition("://")[2] if "://" in text else text.replace(":", "/", 1)
    host, _, path = text.partition("/")
    host = host.rpartition("@")[2].partition(":")[0].lower()
    # Bitbucket Data Center puts /scm/ into its HTTPS addresses and not into those for SSH.
    path = path.strip("/").removesuffix(".git").removeprefix("scm/").lower()
    return f"{host}/{path}"


def _check_hub(header: str, prefix: str) -> Callable[[Mapping[str, str], bytes, str], None]:
    def check(headers: Mapping[str, str], body: bytes, secret: str) -> None:
        signature = headers.get(header, "")
        expected = prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        _require_equal(signature, expected, header)

    return check


def _check_gitlab(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    if not secret.startswith(_SIGNING_TOKEN):
        _require_equal(headers.get("x-gitlab-token", ""), secret, "x-gitlab-token")
        return
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not re.fullmatch(r"\d{1,12}", sent) or abs(time.time() - int(sent)) > _MOST_CLOCK_SECONDS:
        raise WebhookRefused("webhook-timestamp is missing, or more than five minutes away from our clock", status=401)
    try:
        key = base64.b64decode(secret.removeprefix(_SIGNING_TOKEN), validate=True)
    except binascii.Error as error:
        raise WebhookRefused("the signing token that is configured here is not usable", status=403) from error
    signed = f"{name}.{sent}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # There may be several, while a token is being replaced.
    given = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in given[:10]):
        raise _not_signed("webhook-signature")


def _require_equal(given: str, expected: str, header: str) -> None:
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode()):
        raise _not_signed(header)


def _not_signed(header: str) -> WebhookRefused:
    return WebhookRefused(
        f"the header {header} is missing or does not fit the secret",
        advice="Give the forge and Hearth the same secret.",
        status=401,
    )


def _event(forge: Forge, headers: Mapping[str, str]) -> str:
    names = {
        Forge.GITHUB: ("x-github-event",),
        Forge.GITLAB: ("x-gitlab-event",),
        Forge.GITEA: ("x-gitea-event", "x-forgejo-event"),
        Forge.BITBUCKET: ("x-event-key",),
    }
    return next((headers[name][:_MOST_ID_CHARACTERS] for name in names[forge] if name in headers), "")


def _delivery(forge: Forge, headers: Mapping[str, str]) -> str:
    names = {
        Forge.GITHUB: ("x-github-delivery",),
        Forge.GITLAB: ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
        Forge.GITEA: ("x-gitea-delivery", "x-forgejo-delivery"),
        Forge.BITBUCKET: ("x-request-uuid", "x-request-id"),
    }
    return next((headers[name][:_MOST_ID_CHARACTERS] for name in names[forge] if headers.get(name)), "")


def _unwrapped(headers: Mapping[str, str], body: bytes) -> bytes:
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise WebhookRefused(
            "the webhook sends a form", advice="Choose application/json as its content type.", status=415
        )
    return body


_Read = tuple[tuple[str, ...], tuple[str, ...]]


def _read_github(event: str, fields: dict[str, Any]) -> _Read:
    """Read a push of GitHub or Gitea, which also tell of new and deleted branches and tags by events of their own."""
    repository = fields.get("repository") or {}
    urls = _texts(repository, "clone_url", "ssh_url", "html_url", "git_url")
    if event == "push":
        return urls, (_text(fields["ref"]),)
    if event in {"create", "delete"} and fields.get("ref_type") in {"branch", "tag"}:
        kind = "refs/heads/" if fields["ref_type"] == "branch" else "refs/tags/"
        return urls, (kind + _text(fields["ref"]).removeprefix(kind),)
    return urls, ()


def _read_gitlab(event: str, fields: dict[str, Any]) -> _Read:
    project = fields.get("project") or {}
    urls = _texts(project, "git_http_url", "git_ssh_url", "web_url", "http_url", "ssh_url")
    if event in {"Push Hook", "Tag Push Hook"} or (
        event == "System Hook" and fields.get("event_name") in {"push", "tag_push"}
    ):
        return urls, (_text(fields["ref"]),)
    if event == "System Hook" and fields.get("event_name") == "repository_update":
        return urls, tuple(map(_text, fields["refs"]))
    return urls, ()


def _read_bitbucket(event: str, fields: dict[str, Any]) -> _Read:
    repository = fields.get("repository") or {}
    links = repository.get("links") or {}
    clones = [link for link in links.get("clone") or () if isinstance(link, dict)]
    html = links.get("html") or {}
    urls = tuple(link["href"] for link in [*clones, html] if isinstance(link.get("href"), str))
    if event == "repo:push":
        return urls, tuple(_cloud_refs(fields["push"]["changes"]))
    if event == "repo:refs_changed":
        return urls, tuple(_text(change["ref"]["id"]) for change in fields["changes"])
    return urls, ()


def _cloud_refs(changes: list[dict[str, Any]]) -> Iterator[str]:
    for change in changes:
        ref = change.get("new") or change.get("old") or {}
        kind = "refs/tags/" if ref.get("type") == "tag" else "refs/heads/"
        yield kind + _text(ref["name"])


def _texts(fields: dict[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(value for name in names if isinstance(value := fields.get(name), str) and value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


_CHECKS: dict[Forge, Callable[[Mapping[str, str], bytes, str], None]] = {
    Forge.GITHUB: _check_hub("x-hub-signature-256", "sha256="),
    Forge.GITLAB: _check_gitlab,
    Forge.GITEA: _check_hub("x-gitea-signature", ""),
    Forge.BITBUCKET: _check_hub("x-hub-signature", "sha256="),
}
_READERS: dict[Forge, Callable[[str, dict[str, Any]], _Read]] = {
    Forge.GITHUB: _read_github,
    Forge.GITLAB: _read_gitlab,
    Forge.GITEA: _read_github,
    Forge.BITBUCKET: _read_bitbucket,
}
