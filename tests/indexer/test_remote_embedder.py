"""Vectors from a server: what is asked, what is kept, and what happens while it is away."""

from __future__ import annotations

import base64
import json
import logging
import socket
import socketserver
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.api import Index
from indexer.cli_doctor import Finding, Level, examine_index
from indexer.config import EmbedderConfig, IndexConfig
from indexer.embed import RemoteEmbedder
from indexer.errors import EmbedderRefused, EmbedderUnavailable
from indexer.types import IndexJob, Scope
from indexer.worker import run_job
from tests.conftest import Repository
from tests.patience import WAIT_SECONDS

CART = "def total(prices):\n    return sum(prices)\n\n\ndef average(prices):\n    return total(prices) / len(prices)\n"


@dataclass
class Server:
    """A server of ``/v1/embeddings`` whose vectors count hashed words, with switches for its faults."""

    uds: str
    model: str = "embedder"
    dimensions: int = 32
    faults: list[int] = field(default_factory=list)
    knows_truncation: bool = True
    base64: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    def answer(self, path: str, payload: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if path == "/v1/models":
            return 200, {"data": [{"id": self.model}]}
        assert payload is not None
        self.requests.append(payload)
        if self.faults:
            return self.faults.pop(0), {"error": {"message": "not now"}}
        if "truncate_prompt_tokens" in payload and not self.knows_truncation:
            return 400, {"error": {"message": "unknown field"}}
        data = [{"index": number, "embedding": self.vector(text)} for number, text in enumerate(payload["input"])]
        return 200, {"data": data[::-1]}

    def vector(self, text: str) -> object:
        counts = np.zeros(self.dimensions, "<f4")
        for word in text.split() if self.dimensions else ():
            counts[zlib.crc32(word.encode()) % self.dimensions] += 3
        return base64.b64encode(counts.tobytes()).decode() if self.base64 else counts.tolist()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    state = Server(str(tmp_path / "embeddings.sock"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond(None)

        def do_POST(self) -> None:
            self.respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def respond(self, payload: dict[str, Any] | None) -> None:
            state.headers.append(self.headers.get("Authorization", ""))
            status, document = state.answer(self.path, payload)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_arguments: object) -> None:
            pass

    with socketserver.ThreadingUnixStreamServer(state.uds, Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def make_embedder(server: Server, tmp_path: Path, **settings: Any) -> RemoteEmbedder:
    config = EmbedderConfig(uds=server.uds, **settings)
    return RemoteEmbedder(config, tmp_path / "embedder.json", environment={"KEY": "secret"})


def index_with(server: Server, repository: Repository, data: Path, **settings: Any) -> IndexConfig:
    config = IndexConfig(embedder=EmbedderConfig(uds=server.uds, **settings))
    run_job(IndexJob(str(repository.path), name="shop"), data, config, lambda _: None)
    return config


def test_vectors_have_unit_length_in_the_order_of_the_texts(server: Server, tmp_path: Path) -> None:
    embedder = make_embedder(server, tmp_path, batch_texts=2)
    embedder.connect()
    vectors = embedder.embed_chunks(["a b", " ", "c", "d e f", "c"])
    assert vectors.shape == (5, 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1, 1, 1])
    assert np.array_equal(vectors[2], vectors[4])
    assert [len(request["input"]) for request in server.requests] == [1, 2, 2]


def test_lists_of_numbers_do_as_well_as_base64(server: Server, tmp_path: Path) -> None:
    server.base64 = False
    embedder = make_embedder(server, tmp_path)
    embedder.connect()
    assert np.linalg.norm(embedder.embed_query("total of prices")) == pytest.approx(1.0)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_search_does_not_wait_for_a_server_that_answers_byte_by_byte(
    server: Server, tmp_path: Path, head: bytes
) -> None:
    make_embedder(server, tmp_path).connect()
    hung_up = threading.Event()

    class Trickle(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(head)
            # Far more often than the timeout of one read.
            with suppress(ConnectionError):
                while not hung_up.wait(0.02):
                    self.request.sendall(b"H")
            hung_up.set()

    slow = replace(server, uds=str(tmp_path / "slow.sock"))
    with socketserver.ThreadingUnixStreamServer(slow.uds, Trickle) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            with pytest.raises(EmbedderUnavailable, match="did not answer in time"):
                make_embedder(slow, tmp_path, query_seconds=0.5).embed_query("total of prices")
            assert hung_up.wait(WAIT_SECONDS)
        finally:
            hung_up.set()
            running.shutdown()
            thread.join()


def test_a_search_does_not_wait_for_the_name_of_a_server_to_be_looked_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_embedder(server, tmp_path).connect()
    asked, may_go_on, given_up = threading.Event(), threading.Event(), threading.Event()

    def look_up(*_arguments: object, **_named: object) -> list[object]:
        asked.set()
        may_go_on.wait(60.0)
        given_up.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    far = replace(server, uds="")
    try:
        with pytest.raises(EmbedderUnavailable, match="did not answer in time"):
            make_embedder(far, tmp_path, url="https://embedder.invalid", query_seconds=0.2).embed_query("total")
        assert asked.is_set()
        assert not given_up.is_set()
    finally:
        may_go_on.set()
    assert given_up.wait(30.0)


def test_a_search_does_not_wait_for_a_handshake_that_comes_byte_by_byte(server: Server, tmp_path: Path) -> None:
    make_embedder(server, tmp_path).connect()
    hung_up = threading.Event()

    class Trickle(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                # The head of a record of the handshake that is 8 KiB long.
                self.request.sendall(b"\x16\x03\x03\x20\x00")
                while not hung_up.wait(0.02):
                    self.request.sendall(b"\x02")
            hung_up.set()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Trickle) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            far = replace(server, uds="")
            url = f"https://127.0.0.1:{running.server_address[1]}"
            with pytest.raises(EmbedderUnavailable, match="did not answer in time"):
                make_embedder(far, tmp_path, url=url, query_seconds=0.5).embed_query("total of prices")
            assert hung_up.wait(30.0)
        finally:
            hung_up.set()
            running.shutdown()
            thread.join()


def test_a_server_that_does_not_know_truncation_is_asked_without(server: Server, tmp_path: Path) -> None:
    server.knows_truncation = False
    embedder = make_embedder(server, tmp_path)
    embedder.connect()
    embedder.embed_chunks(["a"])
    assert ["truncate_prompt_tokens" in request for request in server.requests] == [True, False, False]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    embedder = make_embedder(server, tmp_path)
    embedder.connect()
    server.faults = [503]
    assert embedder.embed_chunks(["a"]).any()
    assert "trying again" in caplog.text


def test_a_refusal_is_told_at_once_and_without_the_key(server: Server, tmp_path: Path) -> None:
    embedder = make_embedder(server, tmp_path, api_key_env="KEY")
    server.faults = [401]
    with pytest.raises(EmbedderRefused, match="answered 401: not now") as caught:
        embedder.connect()
    assert "secret" not in str(caught.value)
    assert server.headers[-1] == "Bearer secret"


def test_a_key_that_is_not_set_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(EmbedderRefused, match="OTHER"):
        make_embedder(server, tmp_path, api_key_env="OTHER").connect()


def test_what_serves_no_vectors_is_refused(server: Server, tmp_path: Path) -> None:
    server.dimensions = 0
    with pytest.raises(EmbedderRefused, match="one vector for each text"):
        make_embedder(server, tmp_path).connect()


def test_a_query_carries_its_prefix_and_a_chunk_does_not(server: Server, tmp_path: Path) -> None:
    embedder = make_embedder(server, tmp_path, query_prefix="Find code: ")
    embedder.connect()
    embedder.embed_query("total")
    assert server.requests[-1]["input"] == ["Find code: total"]
    embedder.embed_chunks(["total"])
    assert server.requests[-1]["input"] == ["total"]


def test_the_index_is_searched_by_the_vectors_of_the_server(
    server: Server, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    config = index_with(server, make_repository({"cart.py": CART}), tmp_path / "data")
    with Index.open(tmp_path / "data", config) as index:
        hits = index.search("average(prices):", Scope(), k=5)
    assert hits
    assert hits[0].dense > 0
    assert any("def average(prices):" in text for request in server.requests for text in request["input"])


def test_another_model_embeds_everything_again(
    server: Server, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository, data = make_repository({"cart.py": CART}), tmp_path / "data"
    index_with(server, repository, data)
    asked = len(server.requests)
    index_with(server, repository, data)
    assert len(server.requests) == asked + 1, "a run without news asks what is served, and nothing else"
    server.model, server.dimensions = "other", 48
    config = index_with(server, repository, data)
    assert len(server.requests) > asked + 2
    with Index.open(data, config) as index:
        assert index.search("average(prices):", Scope(), k=5)[0].dense > 0
    # And back to the vectors that ship with Hearth.
    run_job(IndexJob(str(repository.path), name="shop"), data, IndexConfig(), lambda _: None)
    with Index.open(data) as index:
        assert index.search("average of prices", Scope(), k=5)


def test_searches_go_by_words_while_the_server_is_away(
    server: Server,
    make_repository: Callable[..., Repository],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = index_with(server, make_repository({"cart.py": CART}), tmp_path / "data")
    Path(server.uds).rename(tmp_path / "away.sock")
    with Index.open(tmp_path / "data", config) as index, caplog.at_level(logging.WARNING):
        hits = index.search("average prices", Scope(), k=5)
        assert [hit.path for hit in hits][:1] == ["cart.py"]
        assert hits[0].dense == 0
        index.search("average prices", Scope(), k=5)
    assert caplog.text.count("searching by words alone") == 1


def test_indexing_while_the_server_is_away_fails_and_loses_nothing(
    server: Server, make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository, data = make_repository({"cart.py": CART}), tmp_path / "data"
    config = index_with(server, repository, data, attempts=1)
    repository.commit({"new.py": "def discount(price):\n    return price * 0.9\n"})
    Path(server.uds).rename(tmp_path / "away.sock")
    with pytest.raises(EmbedderUnavailable, match="cannot be reached"):
        run_job(IndexJob("shop"), data, config, lambda _: None)
    (tmp_path / "away.sock").rename(server.uds)
    with Index.open(data, config) as index:
        assert index.search("average(prices):", Scope(), k=5)[0].path == "cart.py"
        run_job(IndexJob("shop"), data, config, lambda _: None)
        index.refresh()
        assert index.search("discount(price):", Scope(), k=5)[0].path == "new.py"


def test_names_that_are_never_found_hold_few_threads(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_embedder(server, tmp_path).connect()
    found = threading.Event()

    def look_up(_: object) -> None:
        found.wait()
        raise OSError

    with monkeypatch.context() as hanging:
        hanging.setattr("indexer.embed.remote._UnixConnection.connect", look_up)
        for _ in range(20):
            with pytest.raises(EmbedderUnavailable, match="did not answer in time"):
                make_embedder(server, tmp_path, query_seconds=0.02).embed_query("total of prices")
        asking = [thread for thread in threading.enumerate() if thread.name == "embedding server"]
        assert len(asking) == 16
        found.set()
        for thread in asking:
            thread.join(WAIT_SECONDS)
    assert make_embedder(server, tmp_path).embed_query("total of prices").size


def test_a_server_that_changes_its_model_unseen_is_noticed(server: Server, tmp_path: Path) -> None:
    embedder = make_embedder(server, tmp_path)
    embedder.connect()
    server.dimensions = 48
    with pytest.raises(EmbedderRefused, match="another model"):
        embedder.embed_query("total")


def test_the_doctor_says_what_the_server_serves_and_whether_the_index_was_made_with_it(
    server: Server, make_repository: Callable[..., Repository], data: Path
) -> None:
    config = IndexConfig(embedder=EmbedderConfig(uds=server.uds, attempts=5))

    def look() -> Finding:
        [finding] = [one for one in examine_index(data, config) if one.name == "embedding server"]
        return finding

    assert look().level is Level.OK
    assert not data.exists()
    index_with(server, make_repository({"shop/cart.py": CART}), data)
    assert look().message == f"unix:{server.uds} serves embedder with vectors of 32 numbers"
    server.dimensions = 16
    changed = look()
    assert (changed.level, "of 16 numbers; the index was made with another" in changed.message) == (Level.WARN, True)
    assert "hearth index" in changed.advice
    # Whoever waits for a doctor has no time for five attempts.
    server.faults = [503]
    assert (look().level, server.faults) == (Level.FAIL, [])
    config = IndexConfig(embedder=EmbedderConfig(uds=f"{server.uds}.gone"))
    gone = look()
    assert (gone.level, "cannot be reached" in gone.message) == (Level.FAIL, True)
    assert "[index.embedder]" in gone.advice
    config = IndexConfig()
    assert look().level is Level.OK
