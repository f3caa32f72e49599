"""What tests of operations share with those of the team server."""

from __future__ import annotations

from tests.server.gateway.conftest import data, indexed, unused_port

__all__ = ["data", "indexed", "unused_port"]
