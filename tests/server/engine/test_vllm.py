"""The engine against a model server that answers, hangs, lies and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from server.config import ExplainConfig, VllmConfig
from server.engine.vllm import VllmEngine
from server.engine.vllm.engine import PromptWriter
from server.errors import (
    EngineBusy,
    EngineError,
    EngineProtocolError,
    EngineRefused,
    EngineTimeout,
    EngineUnavailable,
)
from server.types import Caller, ChatMessage, CompletionRequest, Delta, ExplainRequest, Prompt, ServedModel
from tests.patience import MODEL_LIMITS, WAIT_SECONDS
from tests.server.counting import Counting
from tests.server.engine.fault_server import (
    DONE,
    MODEL,
    Behaviour,
    FaultServer,
    answers,
    chat_event,
    closes_after,
    event,
    fault_server,
    hangs_after,
    refuses,
    repeats,
)

REQUEST = CompletionRequest(path="a.py", language="python", prefix="x = ", suffix="\n", max_tokens=32)
EXPLAIN = ExplainRequest(path="a.py", language="python", text="x = 1\n", start_line=1, end_line=1)
PATIENT = VllmConfig(model=MODEL, **MODEL_LIMITS)
HASTY: dict[str, Any] = {"first_token_seconds": 0.3, "between_tokens_seconds": 0.2}


async def write_prompt(request: CompletionRequest, _model: str) -> Prompt:
    return Prompt(
        f"<P>{request.prefix}<S>{request.suffix}<M>", stop=("\n", "<E>", "<F>", "<G>", "<H>"), stop_token_ids=(1, 2)
    )


async def write_explanation(request: ExplainRequest) -> tuple[ChatMessage, ...]:
    return ChatMessage("system", "be brief"), ChatMessage("user", request.text)


def make_engine(
    server: FaultServer,
    *,
    environment: dict[str, str] | None = None,
    write_prompt: PromptWriter = write_prompt,
    **changes: Any,
) -> VllmEngine:
    settings: dict[str, Any] = {"url": server.url, **changes}
    return VllmEngine(
        evolve(PATIENT, **settings),
        ExplainConfig(),
        write_prompt=write_prompt,
        write_explanation=write_explanation,
        environment=environment or {},
    )


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


async def text_of(engine: VllmEngine, request: CompletionRequest = REQUEST) -> str:
    async with engine.complete(request) as deltas:
        return "".join([delta.text async for delta in deltas])


async def failure(engine: VllmEngine) -> tuple[str, EngineError]:
    """Return what came before the failure, and the failure."""
    text = ""

    async def read() -> None:
        nonlocal text
        async with engine.complete(REQUEST) as deltas:
            async for delta in deltas:
                text += delta.text

    with pytest.raises(EngineError) as caught:
        await read()
    await engine.close()
    return text, caught.value


async def test_a_completion_streams_as_it_is_written(server: FaultServer) -> None:
    server.behaviour = hangs_after(event("foo"), event("("))
    engine = make_engine(server)
    async with engine.complete(REQUEST) as deltas:
        assert await anext(deltas) == Delta("foo", model=MODEL)
        assert await anext(deltas) == Delta("(", model=MODEL)
    await engine.close()


async def test_the_request_says_all_that_the_server_would_choose_otherwise(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server, environment={"KEY": "secret"}, api_key_env="KEY")
    assert await text_of(engine) == "1"
    await engine.close()
    (sent,) = server.requests
    assert sent["prompt"] == "<P>x = <S>\n<M>"
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["stream"]) == (MODEL, 32, 0.0, True)
    assert sent["stop"] == ["\n", "<E>", "<F>", "<G>"]
    assert sent["stop_token_ids"] == [1, 2]
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert server.headers[0]["X-Request-Id"]


@pytest.mark.parametrize(("usage", "counted"), [
    ({"prompt_tokens": 7, "completion_tokens": 1}, 7),
    ({"completion_tokens": 1}, 3),
    ({"prompt_tokens": -1}, 3),
    ({"prompt_tokens": 10**400}, 3),
    ({"prompt_tokens": "7"}, 3),
])  # fmt: skip
async def test_tokens_of_a_prompt_are_those_that_the_server_says_or_that_were_sent(
    server: FaultServer, usage: dict[str, Any], counted: int
) -> None:
    async def write_tokens(_request: CompletionRequest, _model: str) -> Prompt:
        return Prompt("", token_ids=(11, 12, 13))

    server.behaviour = answers(event("a", usage=usage, finish="stop"), DONE)
    engine = make_engine(server, write_prompt=write_tokens)
    tokens = Counting("hearth_engine_prompt_tokens_total")
    await text_of(engine, replace(REQUEST, caller=Caller("ana", "payments", editor="zed")))
    assert tokens.added() == {("vllm", "complete", MODEL, "zed", "payments"): counted}
    await engine.close()


async def test_the_prompt_of_a_cancelled_request_counts_and_that_of_a_refused_one_does_not(server: FaultServer) -> None:
    engine = make_engine(server)
    tokens = Counting("hearth_engine_prompt_tokens_total")
    server.behaviour = hangs_after(event("a", usage={"prompt_tokens": 5, "completion_tokens": 1}))
    async with engine.complete(REQUEST) as deltas:
        assert (await anext(deltas)).text == "a"
    assert list(tokens.added().values()) == [5]
    server.behaviour = refuses(400)
    with pytest.raises(EngineRefused):
        await text_of(engine)
    assert list(tokens.added().values()) == [5]
    await engine.close()


async def test_what_was_prepared_is_sent_when_the_stream_is_entered(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server)
    prepared = await engine.prepare(REQUEST)
    assert server.requests == []
    async with prepared as deltas:
        assert "".join([delta.text async for delta in deltas]) == "1"
    assert await text_of(engine) == "1"
    assert server.requests[0] == server.requests[1]
    await engine.close()


async def test_what_cannot_be_prepared_fails_when_the_stream_is_entered(server: FaultServer) -> None:
    engine = make_engine(server, api_key_env="MISSING_KEY")
    prepared = await engine.prepare(REQUEST)
    with pytest.raises(EngineRefused, match="MISSING_KEY"):
        async with prepared:
            pass
    assert server.requests == []
    await engine.close()


async def test_tokens_are_counted_when_the_server_says_them(server: FaultServer) -> None:
    server.behaviour = answers(
        event("a", usage={"completion_tokens": 1}),
        event("b c", usage={"completion_tokens": 3}, finish="stop"),
        b'data: {"choices": [], "usage": {"completion_tokens": 4}}\n\n',
        DONE,
    )
    engine = make_engine(server)
    async with engine.complete(REQUEST) as deltas:
        assert [delta async for delta in deltas] == [
            Delta("a", 1, model=MODEL),
            Delta("b c", 2, model=MODEL),
            Delta("", 1, model=MODEL),  # what ended the text
        ]
    await engine.close()


async def test_an_explanation_streams_from_the_chat_api(server: FaultServer) -> None:
    server.behaviour = answers(
        chat_event(None), chat_event("It "), chat_event("works."), chat_event("", finish="stop"), DONE
    )
    engine = make_engine(server)
    async with engine.explain(EXPLAIN) as deltas:
        assert "".join([delta.text async for delta in deltas]) == "It works."
    await engine.close()
    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "x = 1\n"},
    ]


async def test_without_a_model_in_the_settings_the_first_listed_one_is_asked(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server, model="")
    assert await text_of(engine) == "1"
    await engine.close()
    assert server.requests[0]["model"] == MODEL


async def test_connections_are_used_again(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server)
    for _ in range(5):
        assert await text_of(engine) == "1"
    await engine.close()
    assert len(server.peers) == 1


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    socket = tmp_path / "vllm.sock"
    async with fault_server(socket) as server:
        server.behaviour = answers(event("1", finish="stop"), DONE)
        engine = make_engine(server, url="", uds=str(socket))
        assert await text_of(engine) == "1"
        assert (await engine.health()).available
        await engine.close()


async def test_leaving_the_stream_closes_the_connection_at_once(server: FaultServer) -> None:
    server.behaviour = repeats(event("word "), 0.005)
    engine = make_engine(server)
    async with engine.complete(REQUEST) as deltas:
        await anext(deltas)
    async with asyncio.timeout(WAIT_SECONDS):
        await server.closed.wait()
    await engine.close()


async def test_a_cancel_while_waiting_for_headers_closes_the_connection(server: FaultServer) -> None:
    server.behaviour = hangs_after()
    engine = make_engine(server)
    task = asyncio.create_task(text_of(engine))
    await server.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(WAIT_SECONDS):
        await server.closed.wait()
    await engine.close()


async def test_a_cancel_between_tokens_closes_the_connection(server: FaultServer) -> None:
    server.behaviour = hangs_after(event("foo"))
    engine = make_engine(server)
    first = asyncio.Event()

    async def read() -> None:
        async with engine.complete(REQUEST) as deltas:
            async for _ in deltas:
                first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(WAIT_SECONDS):
        await server.closed.wait()
    await engine.close()


@pytest.mark.parametrize(
    ("chunks", "limit", "before", "message"),
    [
        ((), "first_token_seconds", "", "send its first token in time"),
        ((b": waiting\n\n",), "first_token_seconds", "", "send its first token in time"),
        ((event("foo"),), "between_tokens_seconds", "foo", "go on in time"),
    ],
)
async def test_a_server_that_hangs_is_given_up(
    server: FaultServer, chunks: tuple[bytes, ...], limit: str, before: str, message: str
) -> None:
    server.behaviour = hangs_after(*chunks)
    limits: dict[str, Any] = {limit: 0.3}
    text, error = await failure(make_engine(server, **limits))
    assert isinstance(error, EngineTimeout)
    assert text == before
    assert message in error.message
    async with asyncio.timeout(WAIT_SECONDS):
        await server.closed.wait()


async def test_a_stream_that_never_ends_is_given_up_at_its_deadline(server: FaultServer) -> None:
    server.behaviour = repeats(event("x"), 0.05)
    text, error = await failure(make_engine(server, total_seconds=0.4))
    assert isinstance(error, EngineTimeout)
    assert re.search("(first token|finish) in time", error.message)
    assert set(text) <= {"x"}


async def test_comments_do_not_count_as_tokens(server: FaultServer) -> None:
    server.behaviour = repeats(b": ping\n\n", 0.02)
    _, error = await failure(make_engine(server, **HASTY))
    assert isinstance(error, EngineTimeout)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error": {"message": "too long"}}, EngineRefused, "answered 400: too long"),
        (401, {"error": "no key"}, EngineRefused, "answered 401: no key"),
        (403, {}, EngineRefused, "answered 403"),
        (404, {"object": "error", "message": "no such model"}, EngineRefused, "no such model"),
        (307, {}, EngineRefused, "answered 307"),
        (429, {}, EngineBusy, "answered 429"),
        (500, {"error": {"message": "boom"}}, EngineUnavailable, "boom"),
        (502, {}, EngineUnavailable, "answered 502"),
        (503, {}, EngineBusy, "answered 503"),
    ],
)
async def test_statuses_become_errors_that_say_what_to_do(
    server: FaultServer, status: int, body: dict[str, Any], kind: type[EngineError], said: str
) -> None:
    server.behaviour = refuses(status, body, {"Location": "http://127.0.0.1:1/"})
    _, error = await failure(make_engine(server))
    assert type(error) is kind
    assert said in error.message
    assert error.advice


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("nonsense", 0.0), ("-3", 0.0), ("nan", 0.0), ("", 0.0)])
async def test_retry_after_is_understood(server: FaultServer, header: str, seconds: float) -> None:
    server.behaviour = refuses(503, {}, {"Retry-After": header})
    _, error = await failure(make_engine(server))
    assert isinstance(error, EngineBusy)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ((b"data: {not json\n\n",), EngineProtocolError),
        ((b"data: [1, 2]\n\n",), EngineProtocolError),
        ((b'data: {"choices": [{"logprobs": null}]}\n\n',), EngineProtocolError),
        ((b'data: {"choices": 7}\n\n',), EngineProtocolError),
        ((b'data: {"error": {"message": "boom", "code": 500}}\n\n',), EngineUnavailable),
        ((b'data: {"error": {"message": "boom", "code": 400}}\n\n',), EngineRefused),
        ((b'data: {"object": "error", "message": "boom"}\n\n',), EngineUnavailable),
        ((event("foo"),), EngineProtocolError),
        ((b"\xff\xfe\n\ndata: \xff\n\n",), EngineProtocolError),
    ],
)
async def test_streams_that_are_not_the_protocol(
    server: FaultServer, chunks: tuple[bytes, ...], kind: type[EngineError]
) -> None:
    server.behaviour = answers(*chunks)
    _, error = await failure(make_engine(server))
    assert type(error) is kind


async def test_an_answer_that_is_no_stream_is_a_protocol_error(server: FaultServer) -> None:
    server.behaviour = answers(b"<html>", content_type="text/html")
    _, error = await failure(make_engine(server))
    assert isinstance(error, EngineProtocolError)
    assert "text/html" in error.message


async def test_a_line_of_ten_megabytes_is_refused(server: FaultServer) -> None:
    server.behaviour = answers(b"data: ", *[b"x" * 100_000] * 100)
    _, error = await failure(make_engine(server))
    assert isinstance(error, EngineProtocolError)


async def test_an_early_close_keeps_what_came_and_says_so(server: FaultServer) -> None:
    server.behaviour = closes_after(event("foo"))
    text, error = await failure(make_engine(server))
    assert text == "foo"
    assert isinstance(error, EngineUnavailable)


async def test_a_close_before_the_answer_is_tried_once_more(server: FaultServer) -> None:
    dropped = closes_after()

    async def first_drops(running: FaultServer, request: Any) -> Any:
        running.behaviour = answers(event("1", finish="stop"), DONE)
        return await dropped(running, request)

    server.behaviour = first_drops
    engine = make_engine(server)
    assert await text_of(engine) == "1"
    await engine.close()
    assert len(server.requests) == 2


_OUT_OF_VOCABULARY = {
    "error": {"message": "token_id(s) [1, 2] in stop_token_ids contain out-of-vocab ids", "code": 400}
}


@pytest.mark.parametrize(
    "refused",
    [refuses(400, body=_OUT_OF_VOCABULARY), answers(b"data: " + json.dumps(_OUT_OF_VOCABULARY).encode() + b"\n\n")],
)
async def test_token_ids_that_the_model_lacks_are_left_out_from_then_on(
    refused: Behaviour, server: FaultServer
) -> None:
    answered = answers(event("1", finish="stop"), DONE)

    async def model_without_these_ids(running: FaultServer, request: Any) -> Any:
        return await (refused if "stop_token_ids" in running.requests[-1] else answered)(running, request)

    server.behaviour = model_without_these_ids
    engine = make_engine(server)
    assert await text_of(engine) == "1"
    assert await text_of(engine) == "1"
    await engine.close()
    assert ["stop_token_ids" in request for request in server.requests] == [True, False, False]


async def test_a_server_that_always_closes_is_asked_twice_and_no_more(server: FaultServer) -> None:
    server.behaviour = closes_after()
    _, error = await failure(make_engine(server))
    assert isinstance(error, EngineUnavailable)
    assert len(server.requests) == 2


async def test_nobody_listens(unused_tcp_port: int) -> None:
    engine = make_engine(FaultServer(url=f"http://127.0.0.1:{unused_tcp_port}"))
    health = await engine.health()
    assert not health.available
    _, error = await failure(engine)
    assert isinstance(error, EngineUnavailable)
    assert error.message.endswith("cannot be reached: Connection refused")
    assert "[engine.vllm]" in error.advice


async def test_a_machine_that_takes_no_connection_is_given_up() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Nobody accepts, so what comes when the queue is full is never answered.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        silent = FaultServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        _, error = await failure(make_engine(silent, connect_seconds=0.2))
        assert isinstance(error, EngineTimeout)
        assert "did not accept a connection in time" in error.message


async def test_the_api_key_appears_in_no_error(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    server.behaviour = refuses(401, {"error": {"message": "bad key s3cr3t-key"}})
    engine = make_engine(server, environment={"KEY": "s3cr3t-key"}, api_key_env="KEY")
    _, error = await failure(engine)
    assert "***" in error.message
    assert "s3cr3t-key" not in f"{error} {error.__cause__} {caplog.text}"


async def test_a_validation_error_does_not_repeat_the_code(server: FaultServer) -> None:
    server.behaviour = refuses(400, {"error": {"message": "1 validation error: {'type': 'x', 'input': 'our code'}"}})
    _, error = await failure(make_engine(server))
    assert "our code" not in str(error)


async def test_a_missing_key_names_its_variable(server: FaultServer) -> None:
    engine = make_engine(server, api_key_env="HEARTH_TEST_KEY")
    assert "HEARTH_TEST_KEY" in (await engine.health()).detail
    _, error = await failure(engine)
    assert isinstance(error, EngineRefused)
    assert not server.requests


async def test_health_knows_the_model(server: FaultServer) -> None:
    engine = make_engine(server)
    health = await engine.health()
    assert (health.available, health.model) == (True, MODEL)
    server.models = ("other",)
    health = await engine.health()
    assert not health.available
    assert "other" in health.detail
    server.models = (MODEL,)
    server.health_status = 503
    assert not (await engine.health()).available
    server.health_status = 404  # a server without that page
    assert (await engine.health()).available
    await engine.close()


async def test_memory_and_connections_stay_flat_over_many_failures(server: FaultServer) -> None:
    engine = make_engine(server, **HASTY)
    behaviours = [
        closes_after(),
        closes_after(event("a")),
        answers(b"data: {\n\n"),
        refuses(500),
        refuses(429),
        hangs_after(event("a")),
    ]
    tasks_before = asyncio.all_tasks()
    for round_ in range(24):
        server.behaviour = behaviours[round_ % len(behaviours)]
        with pytest.raises(EngineError):
            await text_of(engine, replace(REQUEST, prefix=json.dumps(round_)))
    await engine.close()
    # The server's own handlers of dropped connections end as the loop turns.
    if left := asyncio.all_tasks() - tasks_before:
        await asyncio.wait(left, timeout=WAIT_SECONDS)
    assert not asyncio.all_tasks() - tasks_before


async def test_token_ids_are_sent_when_the_prompt_has_them(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)

    async def write(_request: CompletionRequest, _model: str) -> Prompt:
        return Prompt("", token_ids=(5, 6, 7))

    engine = VllmEngine(
        evolve(PATIENT, url=server.url), ExplainConfig(), write_prompt=write, write_explanation=write_explanation
    )
    assert await text_of(engine) == "1"
    await engine.close()
    assert server.requests[0]["prompt"] == [5, 6, 7]


async def test_what_the_server_says_of_its_models_is_learnt(server: FaultServer) -> None:
    server.described = {"root": "/models/qwen", "parent": None, "max_model_len": 8192, "owned_by": "vllm"}
    learnt: list[tuple[tuple[ServedModel, ...], str]] = []

    async def learn(served: Sequence[ServedModel], model: str) -> None:
        learnt.append((tuple(served), model))
        if server.models != (MODEL,):
            raise EngineRefused("The licence of this model is not allowed")

    engine = VllmEngine(
        evolve(PATIENT, url=server.url, model=""),
        ExplainConfig(),
        write_prompt=write_prompt,
        write_explanation=write_explanation,
        learn=learn,
    )
    assert (await engine.health()).available
    assert learnt == [((ServedModel(MODEL, "/models/qwen", "", 8192, takes_token_ids=True),), MODEL)]
    server.models = ("other",)
    refused = await engine.health()
    await engine.close()
    assert (refused.available, refused.detail) == (False, "The licence of this model is not allowed")


def only_knows(*fields: str, message: str) -> Behaviour:
    """Refuse, with this message, what carries any other of the fields that not every server takes."""
    answered = answers(event("1", finish="stop"), DONE)

    async def behave(running: FaultServer, request: Any) -> Any:
        for name in ("cache_salt", "priority", "stop_token_ids"):
            if name in running.requests[-1] and name not in fields:
                return await refuses(400, {"error": {"message": message.format(name)}})(running, request)
        return await answered(running, request)

    return behave


async def test_tenants_have_salts_of_their_own_and_a_developer_alone_has_none(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server)
    for tenant in ("shop", "bank", "shop", ""):
        await text_of(engine, replace(REQUEST, caller=Caller(user="ann", team="web", tenant=tenant)))
    await engine.close()
    salts = [request.get("cache_salt") for request in server.requests]
    assert salts[0] == salts[2] != salts[1]
    assert salts[3] is None
    assert "ann" not in json.dumps(server.requests)
    assert "shop" not in json.dumps(server.requests)


async def test_a_salt_key_that_is_named_and_missing_stops_tenants_and_nobody_else(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server, cache_salt_key_env="HEARTH_TEST_SALT")
    assert await text_of(engine) == "1"
    with pytest.raises(EngineRefused, match="HEARTH_TEST_SALT"):
        await text_of(engine, replace(REQUEST, caller=Caller(tenant="shop")))
    await engine.close()
    assert len(server.requests) == 1


async def test_a_named_salt_key_is_used(server: FaultServer, tmp_path: Path) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    for key in ("one", "one", "two"):
        engine = make_engine(server, environment={"SALT": key}, cache_salt_key_env="SALT")
        await text_of(engine, replace(REQUEST, caller=Caller(tenant="shop")))
        await engine.close()
    salts = [request["cache_salt"] for request in server.requests]
    assert salts[0] == salts[1] != salts[2]


@pytest.mark.parametrize(
    "message", ["Unrecognized request argument supplied: {}", "priority scheduling is off; {}: extra_forbidden"]
)
async def test_each_field_that_a_server_does_not_know_is_left_out_from_then_on(
    server: FaultServer, message: str
) -> None:
    server.behaviour = only_knows(message=message)
    engine = make_engine(server)
    request = replace(REQUEST, caller=Caller(tenant="shop"))
    assert await text_of(engine, request) == "1"
    asked = len(server.requests)
    assert asked <= 3
    assert await text_of(engine, request) == "1"
    await engine.close()
    assert len(server.requests) == asked + 1
    assert not {"cache_salt", "stop_token_ids"} & server.requests[-1].keys()


async def test_a_validators_list_of_fields_is_understood(server: FaultServer) -> None:
    answered = answers(event("1", finish="stop"), DONE)
    detail = {"type": "extra_forbidden", "loc": ["body", "cache_salt"], "msg": "not permitted", "input": "secret"}

    async def strict(running: FaultServer, request: Any) -> Any:
        known = "cache_salt" not in running.requests[-1]
        return await (answered if known else refuses(422, {"detail": [detail]}))(running, request)

    server.behaviour = strict
    engine = make_engine(server)
    assert await text_of(engine, replace(REQUEST, caller=Caller(tenant="shop"))) == "1"
    await engine.close()
    assert len(server.requests) == 2


async def test_a_refusal_for_another_reason_is_not_tried_again(server: FaultServer) -> None:
    server.behaviour = refuses(400, {"error": {"message": "the prompt is too long"}})
    engine = make_engine(server)
    with pytest.raises(EngineRefused, match="too long"):
        await text_of(engine, replace(REQUEST, caller=Caller(tenant="shop")))
    await engine.close()
    assert len(server.requests) == 1


async def test_explanations_give_way_to_completions(server: FaultServer) -> None:
    engine = make_engine(server)
    server.behaviour = answers(chat_event("It works.", finish="stop"), DONE)
    async with engine.explain(EXPLAIN) as deltas:
        assert [delta.text async for delta in deltas] == ["It works."]
    server.behaviour = answers(event("1", finish="stop"), DONE)
    await text_of(engine)
    await engine.close()
    explanation, completion = server.requests
    assert explanation["priority"] > completion.get("priority", 0)


async def test_the_server_is_told_the_requests_id(server: FaultServer) -> None:
    server.behaviour = answers(event("1", finish="stop"), DONE)
    engine = make_engine(server)
    for identifier in ("0123456789abcdef", "", "two\r\nX-Evil: lines"):
        await text_of(engine, replace(REQUEST, request_id=identifier))
    await engine.close()
    sent = [headers["X-Request-Id"] for headers in server.headers]
    assert sent[0] == "0123456789abcdef"
    assert all(re.fullmatch("[0-9a-f]{16}", identifier) for identifier in sent)
    assert len(set(sent)) == 3
    assert not any("X-Evil" in headers for headers in server.headers)


async def test_the_first_delta_says_what_was_done_before_it(server: FaultServer) -> None:
    server.behaviour = answers(event("1"), event("2", finish="stop"), DONE)
    engine = make_engine(server)
    async with engine.complete(REQUEST) as deltas:
        first, second = [delta async for delta in deltas]
    await engine.close()
    assert first.stages.keys() == {"prompt", "queue"}
    assert all(milliseconds >= 0 for milliseconds in first.stages.values())
    assert not second.stages


async def test_tokens_that_are_said_only_at_the_end_are_counted(server: FaultServer) -> None:
    server.behaviour = answers(
        event("a"), event("", finish="stop"), b'data: {"choices": [], "usage": {"completion_tokens": 3}}\n\n', DONE
    )
    engine = make_engine(server)
    async with engine.complete(REQUEST) as deltas:
        assert [(delta.text, delta.tokens) async for delta in deltas] == [("a", 0), ("", 3)]
    await engine.close()
