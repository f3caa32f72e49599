"""``hearth lsp``."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

import attrs

from indexer import worker
from indexer.errors import IndexerError
from indexer.private import make_all_private
from indexer.types import IndexJob, IndexReport, Progress
from server.cli.assembly import assemble
from server.cli.logs import start_service_log
from server.cli.traces import traced
from server.cli.warmup import warm_up
from server.config import HearthConfig, load
from server.lsp.server import create_server
from server.lsp.services import Assemble, Services, StartOptions
from server.lsp.stdio import run_stdio

_LOG_BYTES = 5_000_000
_LOG_FILES = 3


def serve(config: HearthConfig, *, log_file: Path | None, auto_index: bool) -> int:
    """Serve one client on standard input and output until it leaves; return the exit code.

    Args:
        config: The settings of the command line; the client's own options may name others.
        log_file: Where to log; None means what the configuration says.
        auto_index: Whether repositories of the workspace are indexed without being asked.

    Raises:
        ConfigError: The settings want traces, and OpenTelemetry is not installed.
    """
    make_all_private()
    _start_log(config, log_file)
    # Looking through all modules, words and grammars again at every full collection would stop the server for 60 ms.
    services = services_factory(config, auto_index=auto_index, keep_out_of_collections=gc.freeze)
    with traced(config.tracing):
        return run_stdio(create_server(services))


def services_factory(
    config: HearthConfig, *, auto_index: bool, keep_out_of_collections: Callable[[], None] = lambda: None
) -> Assemble:
    """Return what builds the services of a session once the client has said what it wants.

    Args:
        config: The settings of the command line.
        auto_index: Whether repositories are indexed without being asked, unless the client says otherwise.
        keep_out_of_collections: Called when much has been made that stays until the process ends; only for a process
            that serves a single session.
    """

    def services(options: StartOptions) -> Services:
        chosen = config
        if options.config is not None:
            chosen = load(options.config, data=options.data or config.data.directory).config
        elif options.data is not None:
            chosen = attrs.evolve(config, data=attrs.evolve(config.data, directory=options.data))
        with suppress(IndexerError):  # Whatever is wrong is said by what opens it next.
            worker.upgrade_index(chosen.data.directory)
        program = assemble(chosen, tolerant=True)

        def run_index_job(job: IndexJob) -> AsyncIterator[Progress | IndexReport]:
            return worker.spawn_async(job, chosen.data.directory, chosen.index)

        def warm_up_folders(folders: Sequence[Path]) -> None:
            warm_up(program, folders)
            keep_out_of_collections()

        # Once here and once when warm: what has been made until now stays for as long as the session.
        keep_out_of_collections()
        return Services(
            config=chosen,
            index=program.index,
            completion=program.completion,
            explainer=program.explainer,
            ladder=program.ladder,
            prompts=program.prompts,
            run_index_job=run_index_job,
            close=program.close,
            warm_up=warm_up_folders,
            auto_index=auto_index if options.auto_index is None else options.auto_index,
            problem=program.problem,
        )

    return services


def _start_log(config: HearthConfig, log_file: Path | None) -> None:
    """Log to a file, or to standard error when it cannot be written; standard output belongs to the protocol."""
    configured = Path(config.log.file).expanduser() if config.log.file else config.data.directory / "logs" / "lsp.log"
    target = log_file or configured
    handler: logging.Handler
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            target, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", delay=False
        )
    except OSError as error:
        handler = logging.StreamHandler(sys.stderr)
        sys.stderr.write(f"hearth: {target}: cannot be written ({error.strerror}); logging to standard error\n")
    start_service_log(config.log, handler)
