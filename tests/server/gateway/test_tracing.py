"""Traces of the real server, taken by a receiver of OTLP over HTTP, as OpenTelemetry's collector is one."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.editor import VSCODE_CAPABILITIES, Editor, open_editor
from indexer.errors import ConfigError
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from server.cli.traces import traced
from server.config import TracingConfig
from server.tracing import Finished
from server.tracing import Span as Stretch
from server.tracing.otlp import OtlpTraces
from tests.e2e.model_server import ModelServer, running_model_server
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.team import HEARTH, TeamServer, remote, team_editor, team_server

FILE = (remote("shop") / "shop/orders.py").as_uri()
DRAFT = "from shop.pricing import round_price\n\n\ndef total(wonderful_prices):\n    "
QUERY = "round price"
WHOLE = ("completion", "explanation", "search", "indexing")


@dataclass
class Receiver:
    """What was received: the bodies as they came."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/x-protobuf"
            receiver.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/v1/traces")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


async def work(team: TeamServer, model: ModelServer) -> None:
    """Have a completion, an explanation and a search."""
    async with team_editor(team) as editor:
        await editor.wait_for_notification("hearth/status", lambda value: value["engine"]["rung"] == "vllm")
        editor.open(FILE, "python", DRAFT)
        asking = asyncio.create_task(editor.complete(FILE, 4, 4, automatic=False))
        (await model.next_call()).write("return ", "sum(wonderful_prices)", None)
        await asking
        await explain(editor, model)
        await editor.request("hearth/search", {"query": QUERY})


async def explain(editor: Editor, model: ModelServer) -> None:
    selected = {"start": {"line": 3, "character": 0}, "end": {"line": 4, "character": 0}}
    parameters = {"command": "hearth.explain", "arguments": [{"uri": FILE, "range": selected}]}
    asking = asyncio.create_task(editor.request("workspace/executeCommand", parameters))
    (await model.chats.get()).write("It adds up.", None)
    await asking


async def test_a_request_is_one_trace_with_its_stages_and_nothing_of_the_company(data: Path, indexed: Path) -> None:
    with Queue(data) as queue:
        queue.register(Registered("shop", str(indexed.parent / "shop")))
    with receiving() as receiver:
        async with running_model_server() as model:
            settings = f'{patient_model(model.url)}{PATIENT}[tracing]\nendpoint = "{receiver.url}"\n'
            async with team_server(data, settings) as team:
                await work(team, model)
                with Queue(data) as queue:
                    async with asyncio.timeout(WAIT_SECONDS):
                        while await asyncio.to_thread(queue.jobs):  # noqa: ASYNC110 -- the server is another process
                            await asyncio.sleep(0.1)
                # A server that stops waits for a collector for a moment only.
                async with asyncio.timeout(WAIT_SECONDS):
                    while not {*WHOLE, "making"} <= {span.name for span in receiver.spans()}:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
    spans = receiver.spans()
    whole = {span.name: span for span in spans if span.name in WHOLE}
    [making] = [span for span in spans if span.name == "making"]
    completion = whole["completion"]
    assert (making.trace_id, making.parent_span_id) == (completion.trace_id, completion.span_id)
    parts = {span.name: span for span in spans if span.parent_span_id == making.span_id}
    assert {"gather", "prompt", "queue", "first_token", "engine", "post_process"} <= parts.keys()
    for span in parts.values():
        assert making.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= making.end_time_unix_nano
    order = [parts[name].start_time_unix_nano for name in ("gather", "prompt", "first_token", "post_process")]
    assert order == sorted(order)
    assert {"first_text", "fit"} <= {span.name for span in spans if span.parent_span_id == completion.span_id}
    explained = {span.name for span in spans if span.parent_span_id == whole["explanation"].span_id}
    assert {"gather", "prompt", "first_token", "post_process"} <= explained
    attributes = {attribute.key: attribute.value for attribute in completion.attributes}
    assert len(attributes["hearth.request"].string_value) == 16
    assert attributes["hearth.editor"].string_value == "vscode"
    told = {attribute.key: attribute.value for attribute in whole["indexing"].attributes}
    assert told["hearth.outcome"].string_value == "done"
    for body in receiver.bodies:
        for private in ("wonderful", QUERY, "shop", "orders.py", "adds up", str(data.parent), "sum("):
            assert private.encode() not in body, private


async def test_a_language_server_on_ones_own_machine_sends_traces_as_well(data: Path) -> None:
    with receiving() as receiver:
        config = data.parent / "hearth.toml"
        config.write_text(f'[tracing]\nendpoint = "{receiver.url}"\n')
        async with open_editor([*HEARTH, "lsp", "--data", str(data), "--config", str(config)]) as editor:
            await editor.initialize(None, VSCODE_CAPABILITIES)
            assert (await editor.request("hearth/search", {"query": QUERY}))["hits"]
            async with asyncio.timeout(WAIT_SECONDS):
                while not receiver.bodies:  # noqa: ASYNC110 -- the server is another process
                    await asyncio.sleep(0.1)
    assert [span.name for span in receiver.spans()] == ["search"]


async def test_a_collector_that_is_away_costs_nothing_but_the_traces(data: Path, unused_port: int) -> None:
    async with running_model_server() as model:
        endpoint = f"http://127.0.0.1:{unused_port}/v1/traces"
        settings = f'{patient_model(model.url)}{PATIENT}[tracing]\nendpoint = "{endpoint}"\n'
        async with team_server(data, settings) as team:
            await work(team, model)
            assert await team.stop() == 0
            assert "Traceback" not in team.log.read_text()


def test_what_waits_for_a_collector_is_bounded_and_is_never_waited_for(
    unused_port: int,
) -> None:
    traces = OtlpTraces(f"http://127.0.0.1:{unused_port}/v1/traces", "0", delay_seconds=0.01)
    stretch = Stretch("completion", 1, 2)
    began = time.perf_counter()
    for number in range(3_000):
        traces.finished(Finished(stretch, (stretch,) * 5, f"{number}", "", {"model": "m"}))
    assert time.perf_counter() - began < WAIT_SECONDS
    closing = time.perf_counter()
    traces.close()
    assert time.perf_counter() - closing < WAIT_SECONDS


def test_nothing_is_loaded_while_traces_are_off() -> None:
    code = (
        "import sys, server.cli.serve; from server import tracing;"
        "assert tracing.begin('completion', 'x') is None;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_without_opentelemetry_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "server.tracing.otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with (
        pytest.raises(ConfigError, match="OpenTelemetry is not installed") as caught,
        traced(TracingConfig("http://127.0.0.1:4318/v1/traces")),
    ):
        pass
    assert "pip install opentelemetry-sdk" in caught.value.advice
