"""What a server does with news of pushes, without a word of HTTP but its statuses: the work of two endpoints.

Both read and write files; call them off an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from indexer.config import WebhookSecrets
from indexer.credentials import read_secret
from indexer.diff import is_url
from indexer.errors import IndexerError, InvalidNotice, UnknownRepository
from indexer.hook.payload import parse_notice
from indexer.hook.webhooks import Forge, PushEvent, WebhookRefused, read_webhook, same_repository
from indexer.queue import Delivery, Queue


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and the fields of the JSON body that goes with it."""

    status: int
    fields: dict[str, object]


_UNKNOWN = Answer(
    404,
    {
        "error": {
            "code": UnknownRepository.code,
            "message": "no such repository is registered, or the user of this token may not read it",
            "advice": "On the server: hearth repo list, and hearth group add GROUP --repository NAME.",
        }
    },
)


def receive_notice(queue: Queue, body: bytes, may_tell: Callable[[str], bool]) -> Answer:
    """Take the notice of a hook, whose token was checked.

    Args:
        queue: Where the news goes.
        body: As it came.
        may_tell: Whether the sender may speak of a repository; of others they are not even told that they exist.

    Raises:
        IndexerError: The queue cannot be written; the sender keeps the notice and sends it again.
    """
    try:
        notice = parse_notice(body)
        if not may_tell(notice.repository):
            return _UNKNOWN
        added = queue.enqueue(notice.repository, notice.refs, reason="push") if notice.refs else 0
    except InvalidNotice as error:
        return _refusal(400, error)
    except UnknownRepository:
        return _UNKNOWN
    return Answer(202, {"repository": notice.repository, "queued": added})


def receive_webhook(
    queue: Queue, secrets: WebhookSecrets, forge: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Take a webhook; the forge is told what came of it in words that help whoever set it up.

    Raises:
        IndexerError: The queue cannot be written; the forge sends it again.
    """
    try:
        known = Forge(forge)
    except ValueError:
        message, advice = "there are no webhooks of that forge", f"There are those of {', '.join(Forge)}."
        return Answer(404, {"error": {"code": "unknown-forge", "message": message, "advice": advice}})
    try:
        event = read_webhook(known, headers, body, _secret(secrets, known))
    except WebhookRefused as error:
        return _refusal(error.status, error)
    if not event.refs:
        return Answer(200, {"ignored": f"{event.event or 'this event'} changes no branch and no tag"})
    name = _registered(queue, event)
    if name is None:
        return Answer(200, {"ignored": "the repository is not registered here"})
    if not queue.take_delivery(Delivery(event.forge, event.delivery, name, event.digest), event.refs):
        return Answer(200, {"ignored": "the delivery was taken before"})
    return Answer(202, {"repository": name, "refs": list(event.refs)})


def _registered(queue: Queue, event: PushEvent) -> str | None:
    addresses = {same_repository(url) for url in event.urls}
    for repository in queue.repositories():
        if is_url(repository.source) and same_repository(repository.source) in addresses:
            return repository.name
    return None


def _secret(secrets: WebhookSecrets, forge: Forge) -> str:
    reference = {
        Forge.GITHUB: secrets.github,
        Forge.GITLAB: secrets.gitlab,
        Forge.GITEA: secrets.gitea,
        Forge.BITBUCKET: secrets.bitbucket,
    }[forge]
    if not reference:
        return ""
    try:
        return read_secret(reference)
    except IndexerError as error:
        raise WebhookRefused(
            f"the secret for webhooks of {forge} cannot be read here", advice=error.message, status=503
        ) from error


def _refusal(status: int, error: IndexerError) -> Answer:
    return Answer(status, {"error": {"code": error.code, "message": error.message, "advice": error.advice}})
