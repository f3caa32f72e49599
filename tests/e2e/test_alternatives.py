"""Asking once more where a suggestion is shown: others come behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.e2e.editor import Answer, open_editor_here
from tests.e2e.model_server import MODEL, running_model_server
from tests.patience import WAIT_SECONDS, patient_model

URI = "untitled:basket.py"
TEXT = "total = \n"


async def items(answer: Answer) -> list[Any]:
    async with asyncio.timeout(WAIT_SECONDS):
        return list((await answer.result).items)


async def test_a_model_is_asked_for_others_when_the_user_asks_again(tmp_path: Path) -> None:
    async with running_model_server() as model:
        settings = f"{patient_model(model.url)}[completion]\ndeadline_ms = 600000\nalternatives = 3\n"
        async with open_editor_here(None, tmp_path / "data", settings) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            editor.open(URI, TEXT)
            first = editor.complete(URI, 0, 8)
            (await model.next_call()).write("sum(prices)", None)
            assert [item.insert_text for item in await items(first)] == ["sum(prices)"]

            again = editor.complete(URI, 0, 8)
            # What is there already is shown while the others are written.
            await editor.wait_for(lambda: again.texts() == ["sum(prices)"])
            for text in ("add(prices)", "sum(prices)", "0"):
                call = await model.next_call()
                assert call.temperature > 0
                call.write(text, None)
            found = await items(again)
            assert [item.insert_text for item in found[:1]] == ["sum(prices)"]
            assert {item.insert_text for item in found[1:]} == {"add(prices)", "0"}
            assert len({item.command.arguments[0] for item in found}) == 3
            # Whoever types and asks for nothing gets no more than what is shown.
            assert len(await items(editor.complete(URI, 0, 8, automatic=True))) == 1
            assert model.calls.empty()


async def test_giving_up_closes_what_was_asked_for_others(tmp_path: Path) -> None:
    async with running_model_server() as model:
        settings = f"{patient_model(model.url)}[completion]\ndeadline_ms = 600000\n"
        async with open_editor_here(None, tmp_path / "data", settings) as editor:
            await editor.wait_for_status(lambda value: value.engine.rung == "vllm" and value.engine.model == MODEL)
            editor.open(URI, TEXT)
            first = editor.complete(URI, 0, 8)
            (await model.next_call()).write("sum(prices)", None)
            await items(first)
            again = editor.complete(URI, 0, 8)
            calls = [await model.next_call(), await model.next_call()]
            editor.cancel(again)
            async with asyncio.timeout(WAIT_SECONDS):
                for call in calls:
                    await call.closed.wait()


async def test_without_a_model_they_come_from_what_occurred_before(tmp_path: Path) -> None:
    lines = "".join(f"price_{n} = shop.price_of(item)\n" for n in range(6))
    lines += "".join(f"price_{n} = shop.price_now(item)\n" for n in range(6, 10))
    async with open_editor_here(None, tmp_path / "data") as editor:
        editor.open("untitled:prices.py", lines)
        text = "def now(shop, item):\n    price = shop.pri"
        editor.open("untitled:now.py", text)
        found = await items(editor.complete("untitled:now.py", 1, 20))
        assert len(found) > 1
        assert len({item.insert_text for item in found}) == len(found)
        assert {item.command.arguments[1] for item in found} == {"embedded"}
        assert len(await items(editor.complete("untitled:now.py", 1, 20, automatic=True))) == 1
