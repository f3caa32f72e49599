"""The ``hearth`` command."""

from server.cli.app import main

__all__ = ["main"]
