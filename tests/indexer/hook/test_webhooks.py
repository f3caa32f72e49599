"""Webhooks: signatures, replays, and what each forge says of a push."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.config import WebhookSecrets
from indexer.hook.payload import MOST_NOTICE_BYTES, encode_notice
from indexer.hook.receiving import receive_notice, receive_webhook
from indexer.hook.webhooks import Forge, WebhookRefused, read_webhook, same_repository
from indexer.queue import Queue, Repository

SECRET = "between us"
KEY = b"0123456789abcdef0123456789abcdef"
SIGNING_TOKEN = "whsec_" + base64.b64encode(KEY).decode()
ZEROS, ONES, TWOS = "0" * 40, "1" * 40, "2" * 40

GITHUB_REPOSITORY = {
    "full_name": "acme/shop",
    "html_url": "https://github.com/acme/shop",
    "git_url": "git://github.com/acme/shop.git",
    "ssh_url": "git@github.com:acme/shop.git",
    "clone_url": "https://github.com/acme/shop.git",
}
GITEA_REPOSITORY = {"full_name": "acme/shop", "clone_url": "https://gitea.example.com/acme/shop.git"}
GITLAB_PROJECT = {
    "path_with_namespace": "acme/shop",
    "web_url": "https://gitlab.example.com/acme/shop",
    "git_ssh_url": "git@gitlab.example.com:acme/shop.git",
    "git_http_url": "https://gitlab.example.com/acme/shop.git",
}
CLOUD_REPOSITORY = {"full_name": "acme/shop", "links": {"html": {"href": "https://bitbucket.org/acme/shop"}}}
SERVER_REPOSITORY = {
    "slug": "shop",
    "links": {
        "clone": [
            {"href": "ssh://git@bitbucket.example.com:7999/acme/shop.git", "name": "ssh"},
            {"href": "https://bitbucket.example.com/scm/acme/shop.git", "name": "http"},
        ]
    },
}

CASES: list[tuple[Forge, str, dict[str, Any], tuple[str, ...]]] = [
    (
        Forge.GITHUB,
        "push",
        {"ref": "refs/heads/main", "before": ONES, "after": TWOS, "repository": GITHUB_REPOSITORY},
        ("main",),
    ),
    (
        Forge.GITHUB,
        "push",
        {"ref": "refs/tags/v1", "before": ZEROS, "after": TWOS, "created": True, "repository": GITHUB_REPOSITORY},
        ("v1",),
    ),
    (
        Forge.GITHUB,
        "delete",
        {"ref": "topic/one", "ref_type": "branch", "repository": GITHUB_REPOSITORY},
        ("topic/one",),
    ),
    (Forge.GITHUB, "issues", {"action": "opened", "repository": GITHUB_REPOSITORY}, ()),
    (Forge.GITHUB, "ping", {"zen": "Hello.", "repository": GITHUB_REPOSITORY}, ()),
    (
        Forge.GITLAB,
        "Push Hook",
        {"object_kind": "push", "ref": "refs/heads/main", "before": ONES, "after": ZEROS, "project": GITLAB_PROJECT},
        ("main",),
    ),
    (
        Forge.GITLAB,
        "Tag Push Hook",
        {"object_kind": "tag_push", "ref": "refs/tags/v1", "project": GITLAB_PROJECT},
        ("v1",),
    ),
    (
        Forge.GITEA,
        "push",
        {"ref": "refs/heads/dev", "before": ONES, "after": TWOS, "repository": GITEA_REPOSITORY},
        ("dev",),
    ),
    (Forge.GITEA, "create", {"ref": "v2", "ref_type": "tag", "repository": GITEA_REPOSITORY}, ("v2",)),
    (
        Forge.BITBUCKET,
        "repo:push",
        {
            "repository": CLOUD_REPOSITORY,
            "push": {
                "changes": [
                    {"old": None, "new": {"type": "branch", "name": "main"}},
                    {"old": {"type": "branch", "name": "gone"}, "new": None, "closed": True},
                    {"old": None, "new": {"type": "tag", "name": "v3"}},
                ]
            },
        },
        ("main", "gone", "v3"),
    ),
    (
        Forge.BITBUCKET,
        "repo:refs_changed",
        {
            "repository": SERVER_REPOSITORY,
            "changes": [{"ref": {"id": "refs/heads/main", "type": "BRANCH"}, "type": "UPDATE", "toHash": TWOS}],
        },
        ("main",),
    ),
]
SOURCES = {
    Forge.GITHUB: "git@github.com:acme/shop.git",
    Forge.GITLAB: "https://gitlab.example.com/acme/shop",
    Forge.GITEA: "https://gitea.example.com/acme/shop",
    Forge.BITBUCKET: "https://bitbucket.example.com/scm/acme/shop.git",
}
EVENT_HEADERS = {
    Forge.GITHUB: ("X-GitHub-Event", "X-GitHub-Delivery"),
    Forge.GITLAB: ("X-Gitlab-Event", "X-Gitlab-Event-UUID"),
    Forge.GITEA: ("X-Gitea-Event", "X-Gitea-Delivery"),
    Forge.BITBUCKET: ("X-Event-Key", "X-Request-UUID"),
}


def signed(forge: Forge, event: str, body: bytes, secret: str = SECRET, delivery: str = "d-1") -> dict[str, str]:
    event_header, delivery_header = EVENT_HEADERS[forge]
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    signature = {
        Forge.GITHUB: ("X-Hub-Signature-256", f"sha256={digest}"),
        Forge.GITLAB: ("X-Gitlab-Token", secret),
        Forge.GITEA: ("X-Gitea-Signature", digest),
        Forge.BITBUCKET: ("X-Hub-Signature", f"sha256={digest}"),
    }[forge]
    return {event_header: event, delivery_header: delivery, "Content-Type": "application/json", **dict([signature])}


def signed_by_token(body: bytes, sent: int, delivery: str = "d-1") -> dict[str, str]:
    mac = hmac.new(KEY, f"{delivery}.{sent}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-Gitlab-Event": "Push Hook",
        "webhook-id": delivery,
        "webhook-timestamp": str(sent),
        "webhook-signature": f"v1,{base64.b64encode(b'x' * 32).decode()} v1,{base64.b64encode(mac).decode()}",
    }


@pytest.mark.parametrize(("forge", "event", "fields", "refs"), CASES)
def test_what_each_forge_says(forge: Forge, event: str, fields: dict[str, Any], refs: tuple[str, ...]) -> None:
    body = json.dumps(fields).encode()
    read = read_webhook(forge, signed(forge, event, body), body, SECRET)
    assert (read.refs, read.event, read.delivery) == (refs, event, "d-1")


@pytest.mark.parametrize("forge", Forge)
def test_what_is_not_signed_with_the_secret_is_refused_before_it_is_parsed(forge: Forge) -> None:
    body = b"{ not even json"
    for headers in (
        signed(forge, "push", body, secret="another"),
        {EVENT_HEADERS[forge][0]: "push"},
        {
            name: value
            for name, value in signed(forge, "push", body).items()
            if "ign" not in name and "oken" not in name
        },
    ):
        with pytest.raises(WebhookRefused) as caught:
            read_webhook(forge, headers, body, SECRET)
        assert caught.value.status == 401
    with pytest.raises(WebhookRefused, match="not set up") as caught:
        read_webhook(forge, signed(forge, "push", body, secret=""), body, "")
    assert caught.value.status == 403


@pytest.mark.parametrize("forge", [Forge.GITHUB, Forge.GITEA, Forge.BITBUCKET])
def test_a_body_that_was_changed_is_refused(forge: Forge) -> None:
    body = json.dumps(CASES[0][2]).encode()
    with pytest.raises(WebhookRefused, match="does not fit"):
        read_webhook(forge, signed(forge, "push", body), body + b" ", SECRET)


def test_gitlab_signing_tokens_cover_id_time_and_body() -> None:
    body = json.dumps(CASES[5][2]).encode()
    now = int(time.time())
    assert read_webhook(Forge.GITLAB, signed_by_token(body, now), body, SIGNING_TOKEN).refs == ("main",)
    for headers, problem in (
        (signed_by_token(body, now) | {"webhook-id": "other"}, "does not fit"),
        (signed_by_token(body, now) | {"webhook-timestamp": str(now + 1)}, "does not fit"),
        (signed_by_token(body, now - 3600), "five minutes"),
        (signed_by_token(body, now + 3600), "five minutes"),
        (signed(Forge.GITLAB, "Push Hook", body, secret=SIGNING_TOKEN), "five minutes"),
    ):
        with pytest.raises(WebhookRefused, match=problem):
            read_webhook(Forge.GITLAB, headers, body, SIGNING_TOKEN)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"repository": 3}', b'{"ref": 7, "repository": {}}', b"\xff", b"[" * 100_000]
)
@pytest.mark.parametrize("forge", Forge)
def test_bodies_that_make_no_sense_are_refused(forge: Forge, body: bytes) -> None:
    event = {Forge.GITLAB: "Push Hook", Forge.BITBUCKET: "repo:push"}.get(forge, "push")
    with pytest.raises(WebhookRefused) as caught:
        read_webhook(forge, signed(forge, event, body), body, SECRET)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "url",
    [
        "https://Git.Example.com/acme/shop.git",
        "https://user@git.example.com:8443/acme/shop/",
        "git@git.example.com:acme/shop.git",
        "ssh://git@git.example.com:7999/acme/shop",
        "https://git.example.com/scm/acme/shop.git",
    ],
)
def test_addresses_of_one_repository_are_the_same(url: str) -> None:
    assert same_repository(url) == "git.example.com/acme/shop"


@pytest.fixture
def queue(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A queue that knows one repository of each forge, of which nothing waits."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with Queue(data) as opened:
        for forge, source in SOURCES.items():
            opened.register(Repository(str(forge), source))
        while claim := opened.claim():
            opened.finish(claim)
        yield opened


SECRETS = WebhookSecrets(**{str(forge): "env:HOOK_SECRET" for forge in Forge})


def test_a_webhook_makes_a_job_once(queue: Queue) -> None:
    forge, event, fields, _ = CASES[0]
    body = json.dumps(fields).encode()
    first = receive_webhook(queue, SECRETS, forge, signed(forge, event, body), body)
    assert (first.status, first.fields) == (202, {"repository": "github", "refs": ["main"]})
    # The forge sends it again, and someone replays it under an id of their own.
    for delivery in ("d-1", "d-2"):
        again = receive_webhook(queue, SECRETS, forge, signed(forge, event, body, delivery=delivery), body)
        assert again.status == 200
        assert "taken before" in str(again.fields)
    assert [job.ref for job in queue.jobs()] == ["main"]


def test_a_branch_that_goes_back_and_forth_is_no_replay(queue: Queue) -> None:
    forge, event, fields, _ = CASES[7]
    there = json.dumps(fields).encode()
    back = json.dumps({**fields, "before": TWOS, "after": ONES}).encode()
    for number, body in enumerate((there, back, there)):
        answer = receive_webhook(queue, SECRETS, forge, signed(forge, event, body, delivery=f"d-{number}"), body)
        assert answer.status == 202 if number == 0 else answer.status in {200, 202}
        assert "taken before" not in str(answer.fields)


def test_what_is_no_news_is_ignored_politely(queue: Queue) -> None:
    forge, event, fields, _ = CASES[3]
    body = json.dumps(fields).encode()
    assert receive_webhook(queue, SECRETS, forge, signed(forge, event, body), body).status == 200
    elsewhere = {"ref": "refs/heads/main", "repository": {"clone_url": "https://github.com/acme/other.git"}}
    body = json.dumps(elsewhere).encode()
    answer = receive_webhook(queue, SECRETS, forge, signed(forge, "push", body), body)
    assert (answer.status, answer.fields) == (200, {"ignored": "the repository is not registered here"})
    assert queue.jobs() == []


def test_forges_that_are_not_set_up_or_not_known_are_refused(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"{}"
    headers = signed(Forge.GITHUB, "push", body)
    assert receive_webhook(queue, WebhookSecrets(), "github", headers, body).status == 403
    assert receive_webhook(queue, SECRETS, "sourceforge", headers, body).status == 404
    monkeypatch.delenv("HOOK_SECRET")
    answer = receive_webhook(queue, SECRETS, "github", headers, body)
    assert answer.status == 503
    assert SECRET not in str(answer.fields)


def anything(_repository: str) -> bool:
    return True


def test_notices_of_hooks_are_checked(queue: Queue) -> None:
    answer = receive_notice(queue, encode_notice("github", ["main", "main", "dev"]), anything)
    assert (answer.status, answer.fields) == (202, {"repository": "github", "queued": 2})
    nobody = receive_notice(queue, encode_notice("nobody", ["main"]), anything)
    unreadable = receive_notice(queue, encode_notice("github", ["main"]), lambda name: name != "github")
    assert nobody.status == 404
    assert unreadable == nobody
    assert "github" not in str(nobody.fields)
    for body in (
        b"",
        b"[]",
        b"{}",
        encode_notice("", ["main"]),
        json.dumps({"repository": "github", "refs": "main"}).encode(),
        json.dumps({"repository": "github", "refs": [3]}).encode(),
        json.dumps({"repository": "github", "refs": ["a\nb"]}).encode(),
        json.dumps({"repository": "github", "refs": ["x"] * 20_000}).encode(),
        b" " * (MOST_NOTICE_BYTES + 1),
    ):
        assert receive_notice(queue, body, anything).status == 400
