"""What an editor took of suggestions is followed through its own edits, in the order in which editors send things."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server.completion.retention import LOOKS
from tests.e2e.editor import Editor, open_editor_here
from tests.e2e.model_server import MODEL, ModelServer, running_model_server
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.completion.test_service import until
from tests.server.counting import Counting

URI = "untitled:retained"
TEXT = "def area(w, h):\n    \n"


async def suggested(editor: Editor, model: ModelServer, line: int, column: int, text: str) -> str:
    """Let the model suggest ``text``, and return the suggestion's id."""
    answer = editor.complete(URI, line, column, automatic=False)
    (await model.next_call()).write(text, None)
    (item,) = (await asyncio.wait_for(answer.result, WAIT_SECONDS)).items
    assert item.insert_text == text
    return str(item.command.arguments[0])


@pytest.mark.parametrize("edit_first", [True, False])
async def test_what_was_taken_counts_by_what_still_stands_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit_first: bool
) -> None:
    monkeypatch.setitem(LOOKS, "30s", 0.5)
    watched, retained, unwatched = (
        Counting(f"hearth_suggestions_{name}_total")
        for name in ("watched_characters", "retained_characters", "unwatched")
    )
    async with running_model_server() as model:
        settings = patient_model(model.url) + PATIENT
        async with open_editor_here(None, tmp_path / "data", settings, name="Neovim") as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            editor.open(URI, TEXT)
            identifier = await suggested(editor, model, 1, 4, "return w * h")

            def accept(fields: dict[str, Any]) -> None:
                editor.client.protocol.notify("hearth/didAcceptCompletion", fields)

            if not edit_first:
                accept({"id": identifier})
            editor.insert(URI, 1, 4, "return w * h")
            # Above it a line comes to stand, as it does when a name is imported for what was taken.
            editor.insert(URI, 0, 0, "import math\n")
            if edit_first:
                accept({"id": identifier})
            editor.replace(URI, (2, 15), (2, 16), "math.fabs(h)")
            await until(lambda: bool(watched.added()))
            who = ("vllm", MODEL, "neovim", "none")
            assert watched.added() == {(*who, "30s"): 12}
            assert retained.added() == {(*who, "30s"): 11}
            editor.replace(URI, (2, 4), (2, 20), "pass")
            editor.close(URI)
            await until(lambda: bool(unwatched.added()))
            assert unwatched.added() == {("closed",): 1}
            assert watched.added() == {(*who, "30s"): 12}
