"""The engine that needs no model: built from the index itself."""

from server.engine.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
