"""An engine with fixed latencies, which writes what the developer typed next, wrong at a given rate.

Each piece goes out at a time that follows from the request's arrival alone, so that whatever Hearth adds can be seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.latency.journal import Entry, Truth
from benchmarks.latency.prefix_cache import PrefixCache

MODEL = "qwen2.5-coder-timed"

_PIECES = re.compile(r" ?[^\W_]{1,8}|_+| ?[^\w\s]{1,3}|\n[ \t]*|[ \t]+|\s")


@dataclass(frozen=True, slots=True)
class Timing:
    """How quick and how good the engine is.

    Attributes:
        first_s: Seconds from a request's arrival to its first token.
        token_s: Seconds from one token to the next.
        wrong: Probability of each token to be another than the developer's.
        seed: Which tokens are wrong; the same place is always wrong in the same way, as with a model at temperature 0.
    """

    first_s: float = 0.03
    token_s: float = 0.01
    wrong: float = 0.2
    seed: int = 1


def pieces(text: str) -> list[str]:
    """Cut text into pieces of about the size of a code model's tokens; they join to the text again."""
    return _PIECES.findall(text)


class TimedEngine:
    """Answers ``/v1/completions``.

    Args:
        timing: How quick and how good.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._cache = PrefixCache()

    async def answer(self, payload: dict[str, Any], entry: Entry, truth: Truth | None) -> AsyncGenerator[bytes]:
        """Yield the events of one answer, noting each in ``entry`` when it is due."""
        prompt = payload.get("prompt", "")
        tokens: Sequence[Any] = pieces(prompt) if isinstance(prompt, str) else prompt
        entry.prompt_tokens = len(tokens)
        # The two origins are kept apart: a prompt that is asked again must not find itself.
        entry.cached_tokens = self._cache.take(tokens, f"{entry.origin}/{payload.get('cache_salt', '')}")
        text = continuation(truth, entry.position, self._timing) if truth is not None else []
        stops = tuple(payload.get("stop") or ())
        due = entry.arrived + self._timing.first_s
        for piece in text[: int(payload.get("max_tokens", 16))]:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += self._timing.token_s
            entry.tokens += 1
            kept = _before(piece, stops)
            if kept:
                entry.parts.append((time.perf_counter(), kept))
                yield _event(payload, kept, None, entry)
            if len(kept) < len(piece):
                break
        else:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        yield _event(payload, "", "stop", entry)
        yield b"data: [DONE]\n\n"


def continuation(truth: Truth, position: int, timing: Timing) -> list[str]:
    """Return the tokens that the engine would write at ``position``: those of the truth, some of them wrong."""
    written: list[str] = []
    start = 0
    for number, piece in enumerate(pieces(truth.typed)):
        rest = piece[max(0, position - start) :]
        if rest:
            whole = len(rest) == len(piece)
            written.append(_other(rest) if whole and _is_wrong(truth, number, timing) else rest)
        start += len(piece)
    return written


def _is_wrong(truth: Truth, number: int, timing: Timing) -> bool:
    place = f"{timing.seed}\0{truth.before[-80:]}\0{number}".encode(errors="replace")
    return int.from_bytes(hashlib.blake2b(place, digest_size=4).digest()) < timing.wrong * 2**32


def _other(piece: str) -> str:
    """Return a token of the same kind that is not ``piece``."""
    core = piece.lstrip(" ")
    if core[:1].isalnum():
        return piece[: len(piece) - len(core)] + ("other" if core != "other" else "another")
    return piece + "\n" if piece.startswith("\n") else f"{piece}other"


def _before(piece: str, stops: Sequence[str]) -> str:
    """Return what of a token stands before the first stop string in it."""
    cuts = [piece.index(stop) for stop in stops if stop in piece]
    return piece[: min(cuts)] if cuts else piece


def _event(payload: dict[str, Any], text: str, reason: str | None, entry: Entry) -> bytes:
    event: dict[str, Any] = {
        "id": f"cmpl-{entry.number}",
        "object": "text_completion",
        "model": MODEL,
        "choices": [{"index": 0, "text": text, "finish_reason": reason}],
    }
    if payload.get("stream_options"):
        event["usage"] = {
            "prompt_tokens": entry.prompt_tokens,
            "completion_tokens": entry.tokens,
            "total_tokens": entry.prompt_tokens + entry.tokens,
        }
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
