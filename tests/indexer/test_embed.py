"""The embedder that ships with Hearth."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import indexer.embed
from indexer.embed import Embedder, StaticEmbedder, StaticTable, default_embedder
from indexer.embed.terms import MAX_TEXT_CHARACTERS, terms_of, words_of

CHUNKS = [
    "def read_config(path):\n    return toml.loads(path.read_text())",
    "func (s *Server) Shutdown(ctx context.Context) error {\n\treturn s.listener.Close()\n}",
    "class RetryPolicy { int maxAttempts; Duration backoff; }",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return default_embedder()


def test_vectors_have_unit_length_and_the_declared_shape(embedder: Embedder) -> None:
    vectors = embedder.embed_chunks(CHUNKS)
    assert vectors.shape == (len(CHUNKS), embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    assert embedder.embed_query(CHUNKS[0]).shape == (embedder.dimensions,)


@pytest.mark.parametrize("text", ["", "   \n\t", "(){};+-", "___"])
def test_text_without_words_gets_the_zero_vector(embedder: Embedder, text: str) -> None:
    assert not embedder.embed_query(text).any()
    assert not embedder.embed_chunks([text, CHUNKS[0], text])[::2].any()


def test_no_chunks_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_chunks([]).shape == (0, embedder.dimensions)


def test_vector_of_a_chunk_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    many = [CHUNKS[number % 3] + f" unique_{number}" for number in range(300)]
    together = embedder.embed_chunks(many)
    alone = np.stack([embedder.embed_query(text) for text in many])
    np.testing.assert_array_equal(together, alone)


def test_huge_text_counts_by_its_beginning(embedder: Embedder) -> None:
    beginning = "alpha beta " * (MAX_TEXT_CHARACTERS // 11 + 1)
    np.testing.assert_array_equal(
        embedder.embed_query(beginning[:MAX_TEXT_CHARACTERS]), embedder.embed_query(beginning + "gamma " * 1_000_000)
    )


@pytest.mark.parametrize(
    "text", ["größeÄndern = Überprüfung", "def 計算する(値): pass", "имяФайла()", "x" * 100_000, "\0\ud800x"]
)
def test_any_script_gets_a_vector(embedder: Embedder, text: str) -> None:
    assert np.linalg.norm(embedder.embed_query(text)) == pytest.approx(1.0, rel=1e-5)


def test_threads_get_the_same_vectors() -> None:
    embedder = StaticEmbedder.untrained(buckets=512, dimensions=32)
    texts = [f"word{number} shared helloWorld" for number in range(500)]
    expected = StaticEmbedder.untrained(buckets=512, dimensions=32).embed_chunks(texts)
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(np.array_equal(embedder.embed_chunks(texts), expected)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_questions_find_the_chunk_that_answers_them(embedder: Embedder) -> None:
    questions = ["how are settings loaded from a file", "stop the server", "how often is a failed call tried again"]
    scores = np.stack([embedder.embed_chunks(CHUNKS) @ embedder.embed_query(question) for question in questions])
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_default_table_is_small_and_tied_to_its_version(embedder: Embedder) -> None:
    path = Path(indexer.embed.__file__).with_name("static_table.npz")
    assert path.stat().st_size <= 10_000_000
    assert embedder.version == StaticTable.load(path).version
    assert embedder is default_embedder()


def test_version_follows_the_table() -> None:
    first = StaticEmbedder.untrained(buckets=64, dimensions=8)
    assert first.version == StaticEmbedder.untrained(buckets=64, dimensions=8).version
    assert first.version != StaticEmbedder.untrained(buckets=64, dimensions=8, seed=1).version


@pytest.mark.parametrize(
    ("word", "terms"),
    [
        ("parseHTTPUrl", ("parse", "http", "url", "parsehttpurl")),
        ("__read_config", ("read", "config", "read_config")),
        ("config", ("config",)),
        ("12345678", ("#",)),
        ("utf8", ("utf", "8", "utf8")),
        ("größeÄndern", ("größe", "ändern", "größeändern")),
        ("設定値", ("設定", "定値", "設定値")),
        ("_", ()),
    ],
)
def test_words_are_cut_the_way_people_name_things(word: str, terms: tuple[str, ...]) -> None:
    assert terms_of(word) == terms


@pytest.mark.parametrize("text", ["a_b.c(d1)\r\n\t'x' + 0x1F", "".join(map(chr, range(128)))])
def test_words_of_ascii_text_are_those_of_any_text(text: str) -> None:
    assert words_of(text) == words_of(text + " é")[:-1]
