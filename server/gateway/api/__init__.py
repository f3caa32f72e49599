"""``/api/v1``: what editors may ask, for scripts. ``openapi.json`` describes every answer."""

from server.gateway.api.routes import Api

__all__ = ["Api"]
