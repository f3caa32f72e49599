"""The command line in front of a model server that runs in another thread."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import WAIT_SECONDS, patient_model
from tests.server.cli.conftest import CART, Hearth
from tests.server.engine.fault_server import (
    DONE,
    FaultServer,
    answers,
    chat_event,
    closes_after,
    event,
    fault_server,
    refuses,
)
from tests.server.prompt.tokenizers import like_qwen


@pytest.fixture
def server() -> Iterator[FaultServer]:
    loop = asyncio.new_event_loop()
    running: FaultServer | None = None
    up, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        nonlocal running
        async with fault_server() as running:
            up.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(WAIT_SECONDS)
    assert running is not None
    yield running
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def config(server: FaultServer, tmp_path: Path) -> Path:
    file = tmp_path / "hearth.toml"
    file.write_text(f'{patient_model(server.url)}api_key_env = ""\n')
    return file


def test_completions_of_cases_come_from_the_model(
    hearth: Hearth, server: FaultServer, config: Path, tmp_path: Path
) -> None:
    server.behaviour = answers(event("len"), event("(prices)"), event("\n", finish="stop"), DONE)
    offset = CART.index("len(prices)")
    cases = tmp_path / "cases.jsonl"
    case = {"id": 1, "repo": "shop", "path": "shop/cart.py", "prefix": CART[:offset], "suffix": "\n"}
    cases.write_text(json.dumps(case) + "\n")
    (answer,) = hearth("complete", "--cases", cases, "--json", "--config", config).lines()
    assert answer["completions"] == [{"text": "len(prices)", "confidence": -1.0, "source": "vllm"}]
    (sent,) = server.requests
    assert sent["prompt"].endswith(
        f"<|file_sep|>shop/cart.py\n<|fim_prefix|>{CART[:offset]}<|fim_suffix|>\n<|fim_middle|>"
    )
    assert sent["prompt"].startswith("<|repo_name|>shop\n")
    assert sent["stop"][0] == "\n"


def test_one_cursor_with_the_model_named(hearth: Hearth, server: FaultServer, config: Path) -> None:
    server.behaviour = answers(event("len(prices)", finish="stop"), DONE)
    outcome = hearth("complete", "shop:shop/cart.py:9:28", "--engine", "vllm", "--json", "--config", config)
    assert outcome.json()["engine"] == "vllm"


def test_one_cursor_waits_for_a_server_that_warms_up(hearth: Hearth, server: FaultServer, config: Path) -> None:
    impatient = re.sub(r"\n(first_token|total)_seconds = .*", r"\n\1_seconds = 0.01", config.read_text())
    assert impatient != config.read_text()
    config.write_text(impatient)
    server.behaviour = answers(b": warming up\n\n", event("len(prices)", finish="stop"), DONE, pause=0.05)
    outcome = hearth("complete", "shop:shop/cart.py:9:28", "--engine", "vllm", "--json", "--config", config)
    assert outcome.json()["engine"] == "vllm"


def test_an_engine_that_was_named_and_could_not_answer_is_an_error(
    hearth: Hearth, server: FaultServer, config: Path
) -> None:
    server.behaviour = refuses(503)
    outcome = hearth("complete", "shop:shop/cart.py:9:28", "--engine", "vllm", "--config", config)
    assert outcome.code == 10
    assert "answered 503" in outcome.err
    assert "hearth: The engine vllm could not answer" in outcome.err


def test_the_embedded_engine_answers_while_the_model_fails(hearth: Hearth, server: FaultServer, config: Path) -> None:
    server.behaviour = refuses(500)
    outcome = hearth("complete", "shop:shop/cart.py:9:28", "--json", "--config", config)
    assert outcome.code == 0
    assert outcome.json()["engine"] == "embedded"
    assert re.search(r"answered 500.*\. See the model server's own log\.", outcome.err)


@pytest.mark.parametrize("as_json", [True, False])
def test_an_explanation_that_breaks_off_says_so_and_does_not_pass_for_a_whole_one(
    hearth: Hearth, server: FaultServer, config: Path, *, as_json: bool
) -> None:
    server.behaviour = closes_after(chat_event("It adds "))
    outcome = hearth("explain", "shop:shop/cart.py:1-5", *(["--json"] if as_json else []), "--config", config)
    assert outcome.code == 10
    assert "It adds" in outcome.out
    assert "hearth: The explanation ended early\n  The model server at " in outcome.err
    if as_json:
        assert "closed the connection before its answer was whole" in outcome.json()["ended_early"]


def test_an_explanation_comes_from_the_model_with_checked_citations(
    hearth: Hearth, server: FaultServer, config: Path
) -> None:
    server.behaviour = answers(chat_event("It adds up [1]."), chat_event(" And lies [99].", finish="stop"), DONE)
    answer = hearth("explain", "shop:shop/cart.py:1-5", "--json", "--config", config).json()
    assert answer["engine"] == "vllm"
    assert "It adds up [1]." in answer["markdown"]
    assert "[99]" not in answer["markdown"]
    assert [citation["number"] for citation in answer["citations"]] == [1]
    system, user = server.requests[0]["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "def total(prices):" in user["content"]


def test_doctor_names_the_model_and_its_format(hearth: Hearth, config: Path) -> None:
    outcome = hearth("doctor", "--config", config)
    assert outcome.code == 0, outcome.out
    assert "Qwen/Qwen2.5-Coder-7B" in outcome.out
    assert "prompt format: qwen2.5-coder (Apache-2.0)" in outcome.out


def test_doctor_says_when_no_format_fits(hearth: Hearth, server: FaultServer, config: Path) -> None:
    server.models = ("acme/secret",)
    outcome = hearth("doctor", "--config", config)
    assert outcome.code == 1
    assert 'The prompt format of the model "acme/secret" is not known' in outcome.out


def test_doctor_warns_of_a_licence_that_limits_commercial_use(
    hearth: Hearth, server: FaultServer, config: Path
) -> None:
    server.models = ("mistralai/Codestral-22B-v0.1",)
    outcome = hearth("doctor", "--config", config)
    assert outcome.code == 0
    assert "warn  licence: MNPL-0.1 does not permit commercial use of mistralai/Codestral-22B-v0.1" in outcome.out


def test_doctor_says_how_tokens_are_counted(hearth: Hearth, server: FaultServer, config: Path, tmp_path: Path) -> None:
    assert "warn  tokenizer: tokens are estimated" in hearth("doctor", "--config", config).out
    like_qwen().save(str(tmp_path / "tokenizer.json"))
    server.described = {"root": str(tmp_path), "owned_by": "vllm"}
    outcome = hearth("doctor", "--config", config)
    assert f"ok    tokenizer: tokens are counted with {tmp_path}/tokenizer.json" in outcome.out


def test_a_licence_is_looked_at_when_only_the_server_knows_the_model(
    hearth: Hearth, server: FaultServer, config: Path
) -> None:
    config.write_text(config.read_text() + '[models]\nallowed_licences = ["MIT"]\n')
    assert "has the licence Apache-2.0" in hearth("doctor", "--config", config).out
    outcome = hearth("complete", "shop:shop/cart.py:9:28", "--json", "--config", config)
    assert outcome.json()["engine"] == "embedded"
    assert "has the licence Apache-2.0" in outcome.err
    assert server.requests == []
