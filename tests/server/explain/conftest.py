from tests.server.indexed import shop

__all__ = ["shop"]
