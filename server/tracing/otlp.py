"""Sends traces to a collector by OTLP over HTTP, with OpenTelemetry's SDK; imported only where that is asked for."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from server.tracing import Finished, Span

log = logging.getLogger(__name__)

_MOST_WAITING = 4096
_BATCH = 512
_SEND_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
_SCOPE = InstrumentationScope("hearth")


class OtlpTraces:
    """Turns work that has ended into spans, which a thread sends.

    What waits is bounded: while the collector is away, the oldest spans are lost, and nothing else waits or grows. The
    trace of a request has an id that follows from the request's, so that whatever is done for it is one trace.

    Args:
        endpoint: The whole URL that takes traces, such as ``http://127.0.0.1:4318/v1/traces``.
        version: Hearth's.
        delay_seconds: How long spans wait for others to be sent with.
    """

    def __init__(self, endpoint: str, version: str, *, delay_seconds: float = 5.0) -> None:
        # It logs each attempt; what is to be known of them is said once, by _Noting.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._exporter = _Noting(OTLPSpanExporter(endpoint, timeout=_SEND_SECONDS), endpoint)
        self._processor = BatchSpanProcessor(
            self._exporter, _MOST_WAITING, delay_seconds * 1000, min(_BATCH, _MOST_WAITING)
        )
        # No detectors: they would tell the names of machines and processes.
        self._resource = Resource({"service.name": "hearth", "service.version": version})

    def finished(self, work: Finished) -> None:
        """Take a piece of work. Never blocks."""
        trace = int.from_bytes(hashlib.blake2b(work.request.encode(), digest_size=16).digest())
        parent = _context(trace, _root_id(work.request, work.within)) if work.within else None
        own = _context(trace, _root_id(work.request, work.span.name))
        self._add(work.span, own, parent, {"hearth.request": work.request, **_named(work)})
        for stage in work.stages:
            self._add(stage, _context(trace, secrets.randbits(64) or 1), own, {})

    def close(self) -> None:
        """Send what waits, if the collector takes it soon. Idempotent."""
        closing = threading.Thread(target=self._processor.shutdown, name="hearth-traces-end", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if closing.is_alive():
            self._exporter.shutdown()

    def _add(
        self, span: Span, context: SpanContext, parent: SpanContext | None, attributes: dict[str, str | int]
    ) -> None:
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context,
                parent,
                self._resource,
                attributes,
                start_time=span.start,
                end_time=span.end,
                instrumentation_scope=_SCOPE,
            )
        )


class _Noting(SpanExporter):
    """Says once that spans are lost, and once that they are taken again."""

    def __init__(self, exporter: OTLPSpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            log.warning("traces are not taken at %s, and are lost until they are", self._endpoint)
        elif self._failing and not failed:
            log.info("traces are taken again at %s", self._endpoint)
        self._failing = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # it has no arguments and no types

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _named(work: Finished) -> dict[str, str | int]:
    return {f"hearth.{name}": value for name, value in work.attributes.items()}


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace or 1, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _root_id(request: str, name: str) -> int:
    """Return the id of the span of a whole piece of work: known to its parts, also to those that end before it."""
    return int.from_bytes(hashlib.blake2b(f"{request} {name}".encode(), digest_size=8).digest()) or 1
