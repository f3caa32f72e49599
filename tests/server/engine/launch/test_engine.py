"""What is said of a launched server that does not answer."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from server.cli.engine import show_status
from server.config import DataConfig, ExplainConfig, HearthConfig, VllmConfig
from server.engine.launch.engine import LaunchedEngine
from server.engine.launch.supervisor import State, Supervisor
from server.engine.vllm import VllmEngine
from server.errors import EngineUnavailable
from server.types import ChatMessage, CompletionRequest, ExplainRequest, Prompt
from tests.server.engine.launch.test_supervisor import QUICK, control, make_plan, state_is, until

__all__ = ["control"]

COMPLETION = CompletionRequest("a.py", "python", "a = ", "")
EXPLANATION = ExplainRequest("a.py", "python", "a = 1", 1, 1)


async def _write_prompt(request: CompletionRequest, _model: str) -> Prompt:
    return Prompt(request.prefix)


async def _write_explanation(request: ExplainRequest) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", request.text),)


async def test_a_server_that_is_not_there_is_starting_down_or_not_run(
    tmp_path: Path, control: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (control / "hang").touch()
    inner = VllmEngine(
        VllmConfig(uds=str(tmp_path / "nowhere.sock"), model="m"),
        ExplainConfig(),
        write_prompt=_write_prompt,
        write_explanation=_write_explanation,
    )
    engine = LaunchedEngine(inner, tmp_path / "engine")
    assert "`hearth engine up`" in (await engine.health()).detail
    plan = make_plan(tmp_path)
    log = plan.instances[0].log
    async with Supervisor(plan, QUICK) as supervisor:
        await until(supervisor, lambda statuses: all(item.pid for item in statuses.values()))
        health = await engine.health()
        assert re.fullmatch(r"The model server is starting since \d\d:\d\d:\d\d", health.detail)
        assert health.advice == f"Its log is {log}."
        for answer in (engine.complete(COMPLETION), await engine.prepare(COMPLETION), engine.explain(EXPLANATION)):
            with pytest.raises(EngineUnavailable) as caught:
                async with answer as deltas:
                    await anext(deltas)
            assert (caught.value.message, caught.value.advice) == (health.detail, health.advice)
        assert show_status(HearthConfig(data=DataConfig(directory=tmp_path)), as_json=False) == 1
        assert f"The log for completion is {log}" in capsys.readouterr().out
    (control / "fail").touch()
    slow = attrs.evolve(QUICK, restart_seconds=600.0, restart_max_seconds=600.0)
    async with Supervisor(make_plan(tmp_path), slow) as supervisor:
        await until(supervisor, state_is(State.WAITING))
        assert "no such model" in (await engine.health()).detail
    await engine.close()
