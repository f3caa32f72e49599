"""The notice that a hook sends to a server: which refs of which registered repository were pushed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.errors import InvalidNotice
from indexer.queue.refs import MOST_REFS

MOST_NOTICE_BYTES = 4_000_000
_MOST_NAME_CHARACTERS = 1_024


@dataclass(frozen=True, slots=True)
class PushNotice:
    """``refs`` are short names of branches and tags, deleted ones too; the empty name stands for all."""

    repository: str
    refs: tuple[str, ...]


def encode_notice(repository: str, refs: Sequence[str]) -> bytes:
    """Return the body of a request."""
    return json.dumps({"repository": repository, "refs": list(refs)}).encode()


def parse_notice(body: bytes) -> PushNotice:
    """Check the body of a request.

    Raises:
        InvalidNotice: It is not what :func:`encode_notice` writes, or larger than allowed.
    """
    if len(body) > MOST_NOTICE_BYTES:
        raise InvalidNotice(f"the notice is larger than {MOST_NOTICE_BYTES:,} bytes")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidNotice("the notice is not JSON") from error
    repository = fields.get("repository") if isinstance(fields, dict) else None
    refs = fields.get("refs") if isinstance(fields, dict) else None
    if not _is_name(repository) or not repository:
        raise InvalidNotice("`repository` must be the name of a registered repository")
    if not isinstance(refs, list) or len(refs) > MOST_REFS or not all(_is_name(ref) for ref in refs):
        raise InvalidNotice(f"`refs` must be a list of at most {MOST_REFS:,} names of branches and tags")
    return PushNotice(str(repository), tuple(dict.fromkeys(refs)))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_NAME_CHARACTERS and (not value or value.isprintable())
