"""The parser of event streams: right however the bytes are cut, bounded whatever is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.vllm.sse import SseParser
from server.errors import EngineProtocolError


def parse(*chunks: bytes) -> list[str]:
    parser = SseParser()
    return [payload for chunk in chunks for payload in parser.feed(chunk)] + parser.close()


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data:a\r\n\r\ndata:b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b": keep-alive\n\ndata: a\n\n", ["a"]),
        (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", ["a"]),
        (b"data: first\ndata: second\n\n", ["first\nsecond"]),
        (b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n', ['{"a": 1}', '{"b": 2}', "[DONE]"]),
        (b"data: no blank line at the end", ["no blank line at the end"]),
        (b"\xef\xbb\xbfdata: after a byte order mark\n\n", ["after a byte order mark"]),
        (b"data:  two spaces\n\n", [" two spaces"]),
        (b"data\n\ndata: \n\n", []),
        (b"", []),
    ],
)
def test_event_streams_as_servers_send_them(stream: bytes, payloads: list[str]) -> None:
    assert parse(stream) == payloads
    assert parse(*(bytes([byte]) for byte in stream)) == payloads


_texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=6)


@settings(deadline=None)
@given(_texts, st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_payloads_do_not_depend_on_where_the_stream_is_cut(texts: list[str], end: str, data: st.DataObject) -> None:
    payloads = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    # JSON leaves these in text, and they would end a line.
    payloads = [payload for payload in payloads if not set(payload) & {"\r", "\n"}]
    stream = "".join(f"data: {payload}{end}{end}" for payload in payloads).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(*chunks) == payloads


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_give_payloads_or_a_protocol_error(stream: bytes, step: int) -> None:
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
    try:
        whole = parse(stream)
    except EngineProtocolError:
        with pytest.raises(EngineProtocolError):
            parse(*chunks)
    else:
        assert parse(*chunks) == whole


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    parser = SseParser(max_event_bytes=1000)
    for _ in range(9):
        parser.feed(b"x" * 100)
    with pytest.raises(EngineProtocolError, match="more than 1,000 bytes"):
        parser.feed(b"x" * 101)


def test_an_event_of_too_many_lines_is_refused() -> None:
    parser = SseParser(max_event_bytes=1000)
    for _ in range(9):
        parser.feed(b"data: " + b"x" * 100 + b"\n")
    with pytest.raises(EngineProtocolError):
        parser.feed(b"data: " + b"x" * 100 + b"\n")


def test_text_that_is_not_utf8_is_a_protocol_error() -> None:
    with pytest.raises(EngineProtocolError, match="UTF-8"):
        parse(b"data: \xff\n\n")
