"""What is said of a launched server that does not answer."""

from __future__ import annotations

from pathlib import Path

import attrs

from server.config import ExplainConfig, VllmConfig
from server.engine.launch.engine import LaunchedEngine
from server.engine.launch.supervisor import State, Supervisor
from server.engine.vllm import VllmEngine
from server.types import ChatMessage, CompletionRequest, ExplainRequest, Prompt
from tests.server.engine.launch.test_supervisor import QUICK, control, make_plan, state_is, until

__all__ = ["control"]


async def _no_prompt(_request: CompletionRequest, _model: str) -> Prompt:
    raise AssertionError("nothing is completed here")


async def _no_explanation(_request: ExplainRequest) -> tuple[ChatMessage, ...]:
    raise AssertionError("nothing is explained here")


async def test_a_server_that_is_not_there_is_starting_down_or_not_run(tmp_path: Path, control: Path) -> None:
    (control / "hang").touch()
    inner = VllmEngine(
        VllmConfig(uds=str(tmp_path / "nowhere.sock")),
        ExplainConfig(),
        write_prompt=_no_prompt,
        write_explanation=_no_explanation,
    )
    engine = LaunchedEngine(inner, tmp_path / "engine")
    assert "`hearth engine up`" in (await engine.health()).detail
    async with Supervisor(make_plan(tmp_path), QUICK) as supervisor:
        await until(supervisor, lambda statuses: all(item.pid for item in statuses.values()))
        assert (await engine.health()).detail == "The model server is starting"
    (control / "fail").touch()
    slow = attrs.evolve(QUICK, restart_seconds=600.0, restart_max_seconds=600.0)
    async with Supervisor(make_plan(tmp_path), slow) as supervisor:
        await until(supervisor, state_is(State.WAITING))
        assert "no such model" in (await engine.health()).detail
    await engine.close()
