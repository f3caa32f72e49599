"""Traces of a service: where they go, and those of indexing jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from indexer.errors import ConfigError
from indexer.worker.dispatch import JobEvent, JobStage
from server import tracing
from server.config import TracingConfig

if TYPE_CHECKING:
    from server.tracing.otlp import OtlpTraces


@contextmanager
def traced(config: TracingConfig) -> Iterator[None]:
    """Send traces for the length of a context, if the settings say where to.

    Raises:
        ConfigError: They do, and OpenTelemetry is not installed.
    """
    if not config.endpoint:
        yield
        return
    traces = open_traces(config)
    tracing.listen(traces.finished)
    try:
        yield
    finally:
        tracing.listen(None)
        traces.close()


def open_traces(config: TracingConfig) -> OtlpTraces:
    """Return what sends traces to the collector that the settings name; whoever asks for it closes it.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    try:
        from server.tracing.otlp import OtlpTraces  # noqa: PLC0415 -- an extra, which takes a fifth of a second to load
    except ImportError as error:
        raise ConfigError(
            f"[tracing] endpoint is set, and OpenTelemetry is not installed ({error.name} is missing)",
            advice="pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http where Hearth is installed, "
            "or remove the setting.",
        ) from error
    return OtlpTraces(config.endpoint, version("hearth"))


class JobTraces:
    """Makes a trace of each indexing job, with its stages; jobs follow each other."""

    def __init__(self) -> None:
        self._trace: tracing.Trace | None = None
        self._stage, self._since = "", 0.0

    def note(self, event: JobEvent) -> None:
        """Take an event of the dispatcher."""
        if event.stage is JobStage.STARTED:
            self._trace = tracing.begin("indexing")
            self._stage = ""
        elif self._trace is not None and event.progress is not None:
            if event.progress.stage != self._stage:
                self._end_stage(self._trace)
                self._stage, self._since = event.progress.stage, time.monotonic()
        elif self._trace is not None:
            self._end_stage(self._trace)
            self._trace.end(
                kind=event.kind.value,
                outcome=event.stage.value,
                blobs=sum(report.blobs_processed for report in event.reports),
            )
            self._trace = None

    def _end_stage(self, trace: tracing.Trace) -> None:
        if self._stage:
            trace.note(self._stage, time.monotonic() - self._since)
