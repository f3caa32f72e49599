"""The audit log: who did what and when, one JSON object a line. Never a line of code.

Files lie in ``audit/`` of the data directory, readable by their owner alone. Lines are only ever appended; a full file
is renamed to the time of its end and a new one begun. Any process may append.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.config import AuditConfig

log = logging.getLogger(__name__)

DIRECTORY = "audit"
"""Its place in the data directory."""
LOCK = "audit.lock"
"""The file in it that whoever appends has an exclusive lock of."""
_CURRENT = "audit.jsonl"
_MEGABYTE = 1_000_000
_MAX_WAITING = 10_000


class Audit:
    """Writes events in a thread of its own: whoever notes one never waits, and never fails.

    Args:
        data: The data directory.
        config: Size and number of files.
    """

    def __init__(self, data: Path, config: AuditConfig) -> None:
        self._directory = data / DIRECTORY
        self._config = config
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hearth-audit")
        self._waiting: list[str] = []
        self._lost = 0
        self._failing = False

    def note(self, event: str, **facts: Any) -> None:
        """Write down an event with its facts; ``None`` and empty ones are left out."""
        if not self._config.enabled:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._lost += 1
            return
        self._waiting.append(_line(event, facts))
        if len(self._waiting) == 1:
            self._thread.submit(self._write)

    def close(self) -> None:
        """Write what waits, and end. Idempotent."""
        self._thread.shutdown(wait=True)

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        if self._lost:
            lines.append(_line("audit-lost", {"events": self._lost}))
            self._lost = 0
        try:
            append(self._directory, lines, self._config)
            self._failing = False
        except OSError as error:
            self._lost += len(lines)
            if not self._failing:
                self._failing = True
                log.error("the audit log cannot be written: %s", error)


def append(directory: Path, lines: Sequence[str], config: AuditConfig) -> None:
    """Append lines that are on disk when this returns.

    Raises:
        OSError: They are not.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(directory):
        file = directory / _CURRENT
        with open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123  # permissions from the start
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
        if file.stat().st_size >= config.file_mb * _MEGABYTE:
            file.rename(directory / f"audit-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl")
            for old in _full_files(directory)[: -config.files]:
                old.unlink()


def note_now(data: Path, config: AuditConfig, event: str, **facts: Any) -> None:
    """Write down an event of a command; that it cannot be written is logged, and undoes nothing."""
    if not config.enabled:
        return
    try:
        append(data / DIRECTORY, [_line(event, facts)], config)
    except OSError as error:
        log.error("the audit log cannot be written: %s", error)


def read(data: Path) -> Iterator[str]:
    """Yield every line that is kept, oldest first.

    Raises:
        OSError: A file cannot be read.
    """
    directory = data / DIRECTORY
    for file in [*_full_files(directory), directory / _CURRENT]:
        if file.exists():
            with file.open(encoding="utf-8") as stream:
                yield from (line.rstrip("\n") for line in stream)


def _full_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("audit-*.jsonl"))


def _line(event: str, facts: dict[str, Any]) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    kept = {name: value for name, value in facts.items() if value not in (None, "", [], ())}
    return json.dumps({"at": at, "event": event, **kept}, ensure_ascii=False)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
