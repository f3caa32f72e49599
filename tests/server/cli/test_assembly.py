"""Putting the program together when something is not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli.assembly import assemble
from server.config import DataConfig, EngineConfig, HearthConfig, ModelsConfig, VllmConfig
from server.errors import ConfigError, EngineRefused, ServerError
from server.types import Rung

MODEL = EngineConfig(vllm=VllmConfig(url="http://127.0.0.1:9", model="codestral-22b"))


@pytest.mark.parametrize(
    ("models", "refused"),
    [
        (ModelsConfig(allowed_licences=("MIT",)), EngineRefused),
        (ModelsConfig(files=(Path("absent.toml"),)), ConfigError),
    ],
)
async def test_the_editor_goes_on_without_a_model_that_is_refused(
    tmp_path: Path, models: ModelsConfig, refused: type[ServerError | ConfigError]
) -> None:
    config = HearthConfig(data=DataConfig(tmp_path), engine=MODEL, models=models)
    with pytest.raises(refused):
        assemble(config)
    program = assemble(config, tolerant=True)
    assert program.ladder.rung is Rung.EMBEDDED
    assert program.problem
    await program.close()
