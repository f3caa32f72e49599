"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from indexer.errors import IndexerError

EXIT_UNEXPECTED = 70
"""Exit code of an error nobody foresaw (``EX_SOFTWARE`` of sysexits.h)."""


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
    debug = bool(os.environ.get("HEARTH_DEBUG"))
    summary = f"unexpected {type(error).__name__}: {error}".rstrip(": ")
    advice = "This is a mistake in Hearth. Run the command again with HEARTH_DEBUG=1 to see where it happened."
    report("unexpected", summary, "" if debug else advice, as_json=as_json)
    if debug:
        traceback.print_exception(error)
