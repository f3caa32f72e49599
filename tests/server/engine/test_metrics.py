"""How metrics are told apart, and that there never are too many of them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from server.completion.metrics import STAGE_SECONDS
from server.engine import metrics
from server.engine.metrics import StageTimes, caller_labels, model_label
from server.types import Caller
from tests.server.counting import Counting, total


def test_times_are_counted_by_model_by_editor_and_by_team_once_the_model_is_known() -> None:
    caller = Caller(user="ana", team="payments", editor="helix")
    times = StageTimes(STAGE_SECONDS, caller)
    model, editor, team = (
        Counting(f"hearth_completion_{kind}stage_seconds_count") for kind in ("", "editor_", "team_")
    )
    times.note("gather", 0.004)
    times.note("total", 0.2)
    assert not model.added()
    times.count("qwen-test")
    times.count("qwen-test")
    assert model.added() == {("gather", "qwen-test"): 1, ("total", "qwen-test"): 1}
    assert editor.added() == {("gather", "helix"): 1, ("total", "helix"): 1}
    assert team.added() == {("gather", "payments"): 1, ("total", "payments"): 1}


def test_what_nobody_is_known_of_is_none() -> None:
    assert caller_labels(Caller(user="ana")) == ("none", "none")
    assert model_label("") == "none"


def test_a_server_with_any_number_of_models_makes_a_bounded_number_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_models", set())
    labels = {model_label(f"model-{number}-{uuid4()}") for number in range(100)}
    assert len(labels) == 33
    assert "other" in labels


def test_no_metric_has_a_label_for_a_user_a_path_or_text() -> None:
    from prometheus_client import REGISTRY

    labels = {
        name
        for family in REGISTRY.collect()
        if family.name.startswith("hearth_")
        for sample in family.samples
        for name in sample.labels
    }
    assert labels.isdisjoint({"user", "path", "file", "text", "uri", "repository", "token", "address"})
    assert total("hearth_completion_stage_seconds_count") >= 0
