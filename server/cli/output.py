"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from typing import Any

from indexer.errors import IndexerError

EXIT_UNEXPECTED = 70
"""Exit code of an error nobody foresaw (``EX_SOFTWARE`` of sysexits.h)."""


class _OneLine(logging.Formatter):
    """Leaves tracebacks out unless ``$HEARTH_DEBUG`` is set: they are for the log of the language server."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name that logging calls
        return super().formatException(ei) if debugging() else f"  ({ei[0].__name__}: {ei[1]})"


def start_log() -> None:
    """Show warnings of all parts on standard error, one line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("hearth: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if debugging() else logging.WARNING, handlers=[handler], force=True)


def debugging() -> bool:
    """Say whether the user asked to see the insides."""
    return bool(os.environ.get("HEARTH_DEBUG"))


def print_json(value: Any) -> None:
    """Print one JSON document on a line of its own, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def report(code: str, message: str, advice: str, *, as_json: bool) -> None:
    """Print an error: a line that says what is wrong and one that says what to do.

    Both always go to standard error; with ``--json`` an object goes to standard output as well.
    """
    sys.stderr.write(f"hearth: {message}\n")
    if advice:
        sys.stderr.write(f"  {advice}\n")
    if as_json:
        print_json({"error": {"code": code, "message": message, "advice": advice}})


def report_error(error: IndexerError, *, as_json: bool) -> None:
    """Print an expected error, see :func:`report`."""
    report(error.code, error.message, error.advice, as_json=as_json)


def error_object(error: IndexerError) -> dict[str, str]:
    """Return the error as it stands in JSON output."""
    return {"code": error.code, "message": error.message, "advice": error.advice}


def report_unexpected(error: Exception, *, as_json: bool) -> None:
    """Print an error nobody foresaw, with its traceback when ``$HEARTH_DEBUG`` is set."""
    summary = f"unexpected {type(error).__name__}: {error}".rstrip(": ")
    advice = "This is a mistake in Hearth. Run the command again with HEARTH_DEBUG=1 to see where it happened."
    report("unexpected", summary, "" if debugging() else advice, as_json=as_json)
    if debugging():
        traceback.print_exception(error)
