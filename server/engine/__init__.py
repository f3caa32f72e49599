"""Engines: what completes and explains. One Protocol (:class:`server.types.Engine`), a ladder over all of them."""
