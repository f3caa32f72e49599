"""A history of a company at work, to look at: made up, and the same at every run."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from server.completion import metrics as completion
from server.config import HistoryConfig
from server.engine import metrics as engine
from server.explain import metrics as explanation
from server.history import History, Price, Prices
from server.history.measures import STAGES, Amounts, Series, name_of
from server.history.percentiles import Bucket
from server.history.store import HOUR, MINUTE

MODEL = "qwen2.5-coder-7b"
_SCALE = tuple(pairwise((0.0, *engine.SECONDS, math.inf)))
_LOOKED_AT = (completion.WATCHED_CHARACTERS, completion.RETAINED_CHARACTERS)
_WHO = ((MODEL, "vscode", "payments"), (MODEL, "neovim", "search"), ("other", "vscode", "none"))
_STAGES = {"gather": 0.004, "prompt": 0.001, "queue": 0.002, "first_token": 0.06, "first_text": 0.07, "total": 0.3}
_COUNTS = {
    completion.SHOWN: 40,
    completion.ACCEPTED: 13,
    completion.WATCHED_CHARACTERS: 500,
    completion.RETAINED_CHARACTERS: 450,
    completion.GENERATED_TOKENS: 900,
    completion.WASTED_TOKENS: 70,
    explanation.GENERATED_TOKENS: 200,
    engine.PROMPT_TOKENS: 60_000,
}


def work_for_hours(data: Path, hours: int) -> None:
    """Let two teams with two editors and two models have worked until now."""
    chance, now = random.Random(7), time.time()  # no secret
    with History(data, HistoryConfig()) as history:
        for back in range(60):
            history.add(now - back * MINUTE, _amounts(chance, busy=1))
        for back in range(4, 4 * min(hours, 24)):
            history.add(now - back * 15 * MINUTE, _amounts(chance, busy=15))
        for back in range(24, hours):
            history.add(now - back * HOUR, _amounts(chance, busy=60))
        history.set_prices(Prices("EUR", {MODEL: Price(0.15, 0.6)}))


def _amounts(chance: random.Random, busy: int) -> Amounts:
    counts: dict[Series, float] = {}
    times: dict[Series, Counter[Bucket]] = {}
    for model, editor, team in _WHO:
        for counter, amount in _COUNTS.items():
            labels = {"engine": "vllm", "model": model, "editor": editor, "team": team}
            looks = ("30s", "10min") if counter in _LOOKED_AT else (None,)
            for look in looks:
                told = labels if look is None else labels | {"after": look}
                series = Series(name_of(counter), tuple(sorted(told.items())))
                counts[series] = busy * round(amount * (chance.uniform(0.5, 1.5) if look is None else 1.0))
        for stages in STAGES.values():
            for histogram, label, value in (
                (stages.by_model, "model", model),
                (stages.by_editor, "editor", editor),
                (stages.by_team, "team", team),
            ):
                for stage, seconds in _STAGES.items():
                    labels = {"stage": stage, label: value}
                    series = Series(name_of(histogram), tuple(sorted(labels.items())), engine.SECONDS)
                    buckets = times.setdefault(series, Counter())
                    for _ in range(20):
                        taken = seconds * chance.lognormvariate(0, 0.5)
                        buckets[next(bucket for bucket in _SCALE if taken <= bucket[1])] += busy
    return Amounts(counts, times)
