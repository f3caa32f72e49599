"""A session with a secret in an open file, with everything logged that can be."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.secrets.planted import plant
from tests.e2e.editor import PROFILES, open_editor
from tests.e2e.model_server import MODEL, running_model_server
from tests.patience import patient_model

SEED = int.from_bytes(os.urandom(4))


async def test_a_secret_in_an_open_file_reaches_neither_the_model_nor_a_log_nor_the_data_directory(
    tmp_path: Path,
) -> None:
    planted = plant(SEED)
    head = "def area(width, height):\n    return width * height\n\n\n"
    text = head + "\n".join(one.line for one in planted) + "\n\n\ndef perimeter(width, height):\n    return \n"
    data, config = tmp_path / "data", tmp_path / "hearth.toml"
    async with running_model_server() as model:
        config.write_text(
            f'{patient_model(model.url)}[log]\nlevel = "debug"\n'
            "[completion]\ndeadline_ms = 600000\nadaptive_debounce = false\n"
        )
        async with open_editor(
            None, data, "--config", str(config), capabilities=next(iter(PROFILES.values()))()
        ) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            editor.open("untitled:settings", text)
            editor.open("untitled:other", f"{text}x = 1\n")
            last = text.count("\n") - 1
            answer = editor.complete("untitled:settings", last, 11)
            call = await model.next_call()
            assert "def area(width, height):" in call.prompt
            for one in planted:
                assert not any(piece in call.prompt for piece in one.secret.split("\n")), one.rule
            call.write("2 * (width + height)", None)
            result = await answer.result
            assert result.items[0].insert_text == "2 * (width + height)"
            # In the line of a secret the model is not asked at all; nothing is waiting there afterwards.
            line = text[: text.index('db_password = "')].count("\n")
            assert await editor.completed("untitled:settings", line, 18) == ""
            assert model.calls.empty()
            editor.insert("untitled:settings", 0, 0, "broken(\n")
            (answer,) = (editor.complete("untitled:settings", last + 1, 11),)
            (await model.next_call()).write(None)
            await answer.result
    logs = [path for path in data.rglob("*.log*") if path.stat().st_size]
    assert logs
    assert any(b" DEBUG " in path.read_bytes() for path in logs)
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for one in planted:
                assert not any(piece.encode() in content for piece in one.secret.split("\n")), (path, one.rule)
            assert b"return width * height" not in content
