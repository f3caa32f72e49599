"""``/api/v1``: what editors may ask, and administrators do, for scripts. ``openapi.json`` describes every answer."""

from server.gateway.api.administration import Administration
from server.gateway.api.benchmarks import BenchmarkApi
from server.gateway.api.device import DeviceRoutes
from server.gateway.api.figures import Figures
from server.gateway.api.routes import Api

__all__ = ["Administration", "Api", "BenchmarkApi", "DeviceRoutes", "Figures"]
