"""The pages of the team server: HTML made here, that works without scripts, and loads nothing from elsewhere."""

from server.gateway.pages.site import add_pages

__all__ = ["add_pages"]
