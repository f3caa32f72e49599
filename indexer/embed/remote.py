"""An embedder over the OpenAI API: a vLLM with ``--runner pooling``, or any other server of ``/v1/embeddings``."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
import os
import socket
import threading
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from indexer.config import EmbedderConfig
from indexer.embed.protocol import Vectors
from indexer.errors import EmbedderAway, EmbedderRefused, EmbedderUnavailable

_log = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 128 * 2**20
_MAX_MESSAGE = 300
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0
_AWAY_SECONDS = 5.0
"""How long searches go by words alone after the server did not answer one of them."""
_MOST_ASKING = 16
_slots = threading.BoundedSemaphore(_MOST_ASKING)
_LEAST_SECONDS = 0.01
_UNKNOWN = "remote-unknown"
_PROBE_TEXT = "def total(prices): return sum(prices)"


@dataclass(frozen=True, slots=True)
class Identity:
    """What made the vectors of an index: a model and the length of its vectors."""

    model: str
    dimensions: int
    max_characters: int

    @property
    def version(self) -> str:
        """Changes whenever vectors could differ."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"remote-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


class RemoteEmbedder:
    """Asks a server for vectors.

    A run of the indexer begins with :meth:`connect`, which asks the server what it serves and writes that down beside
    the index. Readers take it from there, so that an index opens and answers by words while the server is away.

    Args:
        config: Where the server is and how patient to be.
        identity_file: Where a run writes down what made its vectors.
        environment: Where the API key is looked up.
    """

    name = "remote"

    def __init__(
        self, config: EmbedderConfig, identity_file: Path, *, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._config = config
        self._identity_file = identity_file
        self._api_key = environment.get(config.api_key_env, "") if config.api_key_env else ""
        self._truncates = True
        self._away_until = 0.0

    @property
    def server(self) -> str:
        """The address, for messages."""
        return f"unix:{self._config.uds}" if self._config.uds else self._config.url.rstrip("/")

    @property
    def version(self) -> str:
        """Names model and dimensions; that of no stored vector while neither is known."""
        identity = self._identity()
        return identity.version if identity else _UNKNOWN

    @property
    def dimensions(self) -> int:
        """Length of each vector; 0 while it is not known."""
        identity = self._identity()
        return identity.dimensions if identity else 0

    def identify(self) -> Identity:
        """Ask the server what it serves.

        Raises:
            EmbedderUnavailable: It does not answer.
            EmbedderRefused: It answers with an error, or with something else than vectors.
        """
        model = self._config.model or self._first_model()
        dimensions = len(self._ask_patiently(model, [_PROBE_TEXT])[0])
        return Identity(model, dimensions, self._config.max_characters)

    def connect(self) -> None:
        """Ask the server what it serves and write it down; raises as :meth:`identify`."""
        identity = self.identify()
        if identity != self._identity():
            self._identity_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._identity_file.with_name(f"{self._identity_file.name}.tmp")
            temporary.write_text(json.dumps(asdict(identity)), "utf-8")
            temporary.replace(self._identity_file)

    def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        """Embed the texts of chunks: float32 ``(len(texts), dimensions)``, rows of length 1 or 0.

        Raises:
            EmbedderUnavailable: The server did not answer, however often it was asked.
            EmbedderRefused: It answers with an error, or with vectors of another length than before.
        """
        identity = self._require_identity()
        vectors = np.zeros((len(texts), identity.dimensions), np.float32)
        # Blank text has no meaning, and some servers refuse it.
        rows = [row for row, text in enumerate(texts) if text.strip()]
        for start in range(0, len(rows), self._config.batch_texts):
            batch = rows[start : start + self._config.batch_texts]
            answer = self._ask_patiently(identity.model, [texts[row] for row in batch])
            vectors[batch] = self._checked(answer, identity)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Embed one query: float32 ``(dimensions,)`` of length 1 or 0. Waits ``query_seconds`` at most.

        Raises:
            EmbedderUnavailable: The server did not answer in time, or a moment ago.
            EmbedderRefused: It answers with an error.
        """
        identity = self._require_identity()
        if not text.strip():
            return np.zeros(identity.dimensions, np.float32)
        if time.monotonic() < self._away_until:
            raise EmbedderAway(f"The embedding server at {self.server} did not answer a moment ago")
        try:
            answer = self._ask(identity.model, [self._config.query_prefix + text], self._config.query_seconds)
        except EmbedderUnavailable:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            raise
        return np.asarray(self._checked(answer, identity)[0], np.float32)

    def _identity(self) -> Identity | None:
        try:
            fields = json.loads(self._identity_file.read_text("utf-8"))
            identity = Identity(str(fields["model"]), int(fields["dimensions"]), int(fields["max_characters"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        # Vectors of a model that is no longer the one in the settings are no use for its queries.
        return identity if self._config.model in {"", identity.model} else None

    def _require_identity(self) -> Identity:
        identity = self._identity()
        if identity is None:
            raise EmbedderUnavailable(
                f"Nothing is indexed yet with the embedding model at {self.server}",
                advice="Index the repositories again: hearth index REPO",
            )
        return identity

    def _checked(self, answer: Vectors, identity: Identity) -> Vectors:
        if answer.shape[1] != identity.dimensions:
            raise EmbedderRefused(
                f"The embedding server at {self.server} returns vectors of {answer.shape[1]} numbers, not of "
                f"{identity.dimensions}: it serves another model than the one that was indexed with",
                advice="Index the repositories again: hearth index REPO",
            )
        norms = np.linalg.norm(answer, axis=1, keepdims=True)
        unit: Vectors = np.divide(answer, norms, out=np.zeros_like(answer), where=norms > 0)
        return unit

    def _ask_patiently(self, model: str, texts: Sequence[str]) -> Vectors:
        pause = _FIRST_PAUSE_SECONDS
        for attempt in range(1, self._config.attempts + 1):
            try:
                return self._ask(model, texts, self._config.batch_seconds)
            except EmbedderUnavailable as error:
                if attempt == self._config.attempts:
                    raise
                _log.warning("%s; trying again in %g s", error.message, pause)
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        raise AssertionError("attempts is at least 1")

    def _ask(self, model: str, texts: Sequence[str], seconds: float) -> Vectors:
        """Ask for the vectors of some texts: float32 ``(len(texts), d)``, not scaled."""
        payload: dict[str, Any] = {
            "model": model,
            "input": [text[: self._config.max_characters] for text in texts],
            "encoding_format": "base64",
        }
        if self._truncates:
            payload["truncate_prompt_tokens"] = -1
        until = time.monotonic() + seconds
        status, document = self._request("POST", "/v1/embeddings", payload, seconds)
        if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY} and self._truncates:
            # vLLM cuts a text that is too long for the model when asked to; other servers do not know the word.
            del payload["truncate_prompt_tokens"]
            left = max(_LEAST_SECONDS, until - time.monotonic())
            status, document = self._request("POST", "/v1/embeddings", payload, left)
            self._truncates = status != HTTPStatus.OK
        if status != HTTPStatus.OK:
            raise self._failure(status, document)
        try:
            entries = sorted(document["data"], key=lambda entry: int(entry["index"]))
            rows = np.stack([_vector(entry["embedding"]) for entry in entries])
        except (KeyError, TypeError, ValueError) as error:
            raise self._not_vectors() from error
        if len(rows) != len(texts) or rows.ndim != 2 or not rows.shape[1] or not np.isfinite(rows).all():
            raise self._not_vectors()
        return rows

    def _first_model(self) -> str:
        status, document = self._request("GET", "/v1/models", None, self._config.batch_seconds)
        if status != HTTPStatus.OK:
            raise self._failure(status, document)
        try:
            return str(document["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise EmbedderRefused(
                f"The embedding server at {self.server} lists no model", advice="Name it in [index.embedder] model."
            ) from error

    def _request(self, method: str, path: str, payload: Mapping[str, Any] | None, seconds: float) -> tuple[int, Any]:
        """Ask, and hang up on whoever has not answered to the end after ``seconds``."""
        headers = {"Content-Type": "application/json", "User-Agent": "hearth"}
        if self._config.api_key_env:
            if not self._api_key:
                raise EmbedderRefused(
                    f"The environment variable {self._config.api_key_env}, named by [index.embedder] api_key_env, is "
                    "not set",
                    advice="Set it to the API key of the embedding server before Hearth starts.",
                )
            headers["Authorization"] = f"Bearer {self._api_key}"
        body = None if payload is None else json.dumps(payload).encode("utf-8", "replace")
        connection, prefix = self._connection(seconds)
        try:
            status, answer = _asked_in_time(connection, (method, f"{prefix}{path}", body, headers), seconds)
        except (OSError, http.client.HTTPException) as error:
            reason = "did not answer in time" if isinstance(error, TimeoutError) else f"cannot be reached ({error})"
            raise EmbedderUnavailable(
                f"The embedding server at {self.server} {reason}",
                advice="Start it, or correct [index.embedder] in hearth.toml.",
            ) from error
        try:
            return status, json.loads(answer)
        except (ValueError, RecursionError):
            return status, None

    def _connection(self, seconds: float) -> tuple[http.client.HTTPConnection, str]:
        if self._config.uds:
            return _UnixConnection(self._config.uds, seconds), ""
        parts = urllib.parse.urlsplit(self._config.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.netloc, timeout=seconds), parts.path.rstrip("/")

    def _failure(self, status: int, document: Any) -> EmbedderUnavailable | EmbedderRefused:
        error = document.get("error", document) if isinstance(document, dict) else None
        message = str(error.get("message", "")) if isinstance(error, dict) else ""
        lines = message.partition("'input'")[0].strip().splitlines()
        said = f": {lines[0][:_MAX_MESSAGE]}" if lines else ""
        text = f"The embedding server at {self.server} answered {status}{said}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return EmbedderUnavailable(text, advice="It is overloaded or not ready; see its own log.")
        return EmbedderRefused(
            text.replace(self._api_key, "***") if self._api_key else text,
            advice="Check `model`, `max_characters` and `api_key_env` in [index.embedder] of hearth.toml.",
        )

    def _not_vectors(self) -> EmbedderRefused:
        return EmbedderRefused(
            f"The embedding server at {self.server} did not return one vector for each text",
            advice="Check that it serves an embedding model: vLLM needs `--runner pooling`.",
        )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _asked_in_time(
    connection: http.client.HTTPConnection, question: tuple[str, str, bytes | None, Mapping[str, str]], seconds: float
) -> tuple[int, bytes]:
    """Ask in a thread of its own, and hang up when it takes longer.

    A timeout of a socket begins anew with every byte that comes and every address that is tried, and the name of a host
    is looked up without any. As many threads may hang in that as there are slots; then nobody is asked until one ends.

    Raises:
        TimeoutError: It took longer.
    """
    if not _slots.acquire(timeout=seconds):
        raise TimeoutError
    answered: Future[tuple[int, bytes]] = Future()
    late = threading.Event()

    def ask() -> None:
        try:
            connection.connect()
            if late.is_set():
                raise TimeoutError
            connection.request(*question)
            response = connection.getresponse()
            answered.set_result((response.status, response.read(_MAX_ANSWER_BYTES)))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits.
            answered.set_exception(error)
        finally:
            connection.close()
            _slots.release()

    threading.Thread(target=ask, name="embedding server", daemon=True).start()
    try:
        return answered.result(seconds)
    finally:
        late.set()
        connected = connection.sock
        if not answered.done() and connected is not None:
            with suppress(OSError):
                # That of the plain socket, since the other thread may be reading what is encrypted.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _vector(value: object) -> Vectors:
    """Read a vector that stands there as base64 of little-endian float32, or as a list of numbers."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
    return np.asarray(value, np.float32)
