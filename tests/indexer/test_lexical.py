"""Search by words: tantivy behind our own terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.errors import DataDirectoryError, IndexBusy, IndexCorrupt
from indexer.store.lexical import LexicalDocument, LexicalReader, LexicalWriter, check_lexical
from indexer.tokens import code_terms


def document(chunk_id: int, text: str, *, blob: int = 0, repositories: Sequence[int] = (1,)) -> LexicalDocument:
    return LexicalDocument(chunk_id, blob or chunk_id, tuple(repositories), text)


def write(directory: Path, *documents: LexicalDocument) -> LexicalReader:
    with LexicalWriter(directory) as writer:
        writer.add(documents)
        writer.commit()
    return LexicalReader(directory)


def found(reader: LexicalReader, query: str, repositories: Sequence[int] | None = None, limit: int = 10) -> list[int]:
    ids, scores = reader.search(dict.fromkeys(code_terms(query), 1.0), repositories, limit)
    assert ids.shape == scores.shape
    assert sorted(scores.tolist(), reverse=True) == scores.tolist()
    return [int(item) for item in ids]


def test_parts_wholes_and_stems_find_an_identifier(tmp_path: Path) -> None:
    reader = write(tmp_path, document(1, "def parseHTTPRequests(): pass"), document(2, "unrelated words"))
    for query in ("parse", "requests", "parsing a request", "parse_http_requests", "ParseHttpRequests"):
        assert found(reader, query) == [1], query
    assert found(reader, "nothing") == []


def test_names_count_more_than_text(tmp_path: Path) -> None:
    with LexicalWriter(tmp_path) as writer:
        writer.add([LexicalDocument(1, 1, (1,), "retry later"), LexicalDocument(2, 2, (1,), "retry later", "retry")])
        writer.commit()
    assert found(LexicalReader(tmp_path), "retry") == [2, 1]


def test_only_readable_repositories_compete(tmp_path: Path) -> None:
    many = [document(number, "retry backoff", repositories=(1,)) for number in range(1, 200)]
    reader = write(
        tmp_path, *many, document(500, "retry once in a very long text about other things", repositories=(2, 3))
    )
    assert found(reader, "retry", [2], limit=1) == [500]
    assert found(reader, "retry", [3, 9]) == [500]
    assert found(reader, "retry", []) == []
    assert found(reader, "retry", [9]) == []
    assert len(found(reader, "retry", None, limit=1000)) == 200


def test_blobs_are_replaced_in_one_commit(tmp_path: Path) -> None:
    reader = write(tmp_path, document(1, "alpha", blob=7), document(2, "beta", blob=7), document(3, "alpha", blob=8))
    with LexicalWriter(tmp_path) as writer:
        writer.delete_blobs([7])
        writer.add([document(1, "alpha", blob=7, repositories=(1, 2))])
        writer.commit()
    assert found(reader, "beta") == [2]
    reader.refresh()
    assert found(reader, "beta") == []
    assert found(reader, "alpha", [2]) == [1]
    assert reader.documents == 2


def test_nothing_is_visible_without_a_commit(tmp_path: Path) -> None:
    with LexicalWriter(tmp_path) as writer:
        writer.add([document(1, "alpha")])
    assert found(LexicalReader(tmp_path), "alpha") == []


def test_a_reader_may_open_before_the_first_writer(tmp_path: Path) -> None:
    reader = LexicalReader(tmp_path / "later")
    assert found(reader, "alpha") == []
    write(tmp_path / "later", document(1, "alpha"))
    reader.refresh()
    assert found(reader, "alpha") == [1]


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with LexicalWriter(tmp_path), pytest.raises(IndexBusy):
        LexicalWriter(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"", b'{"segments": 3}'])
def test_a_damaged_index_is_reported_as_corrupt(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, document(1, "alpha"))
    (tmp_path / "meta.json").write_bytes(content)
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        LexicalReader(tmp_path)
    with pytest.raises(IndexCorrupt):
        LexicalWriter(tmp_path)


def test_a_missing_segment_is_reported_as_corrupt(tmp_path: Path) -> None:
    write(tmp_path, document(1, "alpha"))
    for file in tmp_path.glob("*.store"):
        file.unlink()
    with pytest.raises(IndexCorrupt):
        found(LexicalReader(tmp_path), "alpha")


def test_segments_that_a_writer_takes_away_during_a_check_are_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, document(1, "first"))
    read, gone = Path.read_bytes, sorted(tmp_path.glob("*.term"))

    def read_while_another_writes(file: Path) -> bytes:
        if file.suffix == ".fast" and gone[0].exists():
            with LexicalWriter(tmp_path) as writer:
                writer.delete_blobs([1])
                writer.add([document(2, "second")])
                writer.commit()
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", read_while_another_writes)
    check_lexical(tmp_path)
    assert not gone[0].exists()


def test_a_directory_that_is_a_file_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "lexical").write_text("")
    with pytest.raises(DataDirectoryError):
        LexicalWriter(tmp_path / "lexical")


def test_any_text_can_be_indexed(tmp_path: Path) -> None:
    texts = ["", "\0\x01 a\0b", "é" * 200_000, "a" * 200_000, "漢字" * 50, "\ud800 lone", "x " * 100_000]
    reader = write(tmp_path, *(document(number, text) for number, text in enumerate(texts, start=1)))
    assert reader.documents == len(texts)
    assert found(reader, "漢字") == [5]
