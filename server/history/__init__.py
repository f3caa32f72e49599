"""What the metrics were over time: written down every minute, read as percentiles and amounts. Numbers alone."""

from server.history.latency import STAGE_NAMES, WORK, Latency, Times, latency
from server.history.percentiles import Percentiles, quantile
from server.history.prices import ANY_MODEL, Price, Prices
from server.history.recorder import Recorder, recording
from server.history.spans import Span, Split, Window
from server.history.store import FILE_NAME, History
from server.history.usage import Usage, Used, UsedBy, usage

__all__ = [
    "ANY_MODEL",
    "FILE_NAME",
    "STAGE_NAMES",
    "WORK",
    "History",
    "Latency",
    "Percentiles",
    "Price",
    "Prices",
    "Recorder",
    "Span",
    "Split",
    "Times",
    "Usage",
    "Used",
    "UsedBy",
    "Window",
    "latency",
    "quantile",
    "recording",
    "usage",
]
