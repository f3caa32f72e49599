"""Prompts for what a model server lists: the family, the tokenizer and the context of each model."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from server.config import CompletionConfig, EngineConfig, ExplainConfig, HearthConfig, ModelsConfig, VllmConfig
from server.errors import EngineRefused
from server.prompt import FormatRegistry, ModelPrompts
from server.prompt.loading import TokenizerMissing, find_tokenizer
from server.types import CompletionRequest, ExplainRequest, ServedModel, TokenCount
from tests.patience import WAIT_SECONDS
from tests.server.prompt.tokenizers import CODE, like_qwen, like_starcoder

REQUEST = CompletionRequest(path="a.py", language="python", prefix="def f(x):\n    return ", suffix="\n", max_tokens=32)
NAME = "Qwen/Qwen2.5-Coder-7B"


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Where a model is, with its tokenizer."""
    like_qwen().save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path)


def prompts(allowed: tuple[str, ...] = ("*",), **settings: str) -> ModelPrompts:
    vllm = VllmConfig(url="http://127.0.0.1:9", **settings)  # type: ignore[arg-type]  # all of those given are strings
    registry = FormatRegistry.load(ModelsConfig(allowed_licences=allowed))
    return ModelPrompts(
        registry, HearthConfig(engine=EngineConfig(vllm=vllm), completion=CompletionConfig(max_tokens=32))
    )


def served(root: str, name: str = NAME, context: int = 4096, *, token_ids: bool = True) -> ServedModel:
    return ServedModel(name, root, context_tokens=context, takes_token_ids=token_ids)


async def test_prompts_become_token_ids_when_the_tokenizer_has_been_read(root: str) -> None:
    made = prompts()
    await made.learn([served(root)], NAME)
    assert await made.tokens_detail(NAME) == f"tokens are counted with {root}/tokenizer.json"
    prompt = await made.write(REQUEST, NAME)
    assert like_qwen().decode(list(prompt.token_ids), skip_special_tokens=False).endswith("<|fim_middle|>")
    assert prompt.text == ""


async def test_no_prompt_waits_for_a_tokenizer() -> None:
    released = threading.Event()

    def read(_setting: str, _root: str) -> tuple[Tokenizer, str]:
        assert released.wait(WAIT_SECONDS)
        return like_qwen(), "a slow disk"

    made = ModelPrompts(FormatRegistry.built_in(), HearthConfig(), read_tokenizer=read)
    settled = asyncio.Event()
    made.settled.connect(settled.set)
    await made.learn([served("")], NAME)
    early = await made.write(REQUEST, NAME)
    assert early.text.endswith("<|fim_middle|>")
    assert early.token_ids == ()
    assert made.token_count(NAME) is TokenCount.ESTIMATED
    released.set()
    await asyncio.wait_for(settled.wait(), 30)
    assert made.token_count(NAME) is TokenCount.COUNTED
    assert await made.tokens_detail(NAME) == "tokens are counted with a slow disk"
    assert (await made.write(REQUEST, NAME)).token_ids


async def test_a_server_that_takes_no_token_ids_gets_text_within_counted_tokens(root: str) -> None:
    made = prompts()
    await made.learn([served(root, context=512, token_ids=False)], NAME)
    await made.tokens_detail(NAME)
    long = CompletionRequest(path="a.py", language="python", prefix=CODE * 4, suffix="", max_tokens=32)
    prompt = await made.write(long, NAME)
    assert prompt.token_ids == ()
    assert 400 < len(like_qwen().encode(prompt.text).ids) <= 512 - 32


async def test_no_prompt_exceeds_what_the_server_was_started_for(root: str) -> None:
    made = prompts()
    await made.learn([served(root, context=300)], NAME)
    await made.tokens_detail(NAME)
    long = CompletionRequest(path="a.py", language="python", prefix=CODE * 4, suffix=CODE, max_tokens=32)
    assert 200 < len((await made.write(long, NAME)).token_ids) <= 300 - 32


async def test_a_prompt_with_much_new_text_is_the_same_as_one_that_is_known(root: str) -> None:
    made = prompts()
    await made.learn([served(root)], NAME)
    await made.tokens_detail(NAME)
    long = CompletionRequest(path="a.py", language="python", prefix=CODE * 3, suffix="", max_tokens=32)
    assert await made.write(long, NAME) == await made.write(long, NAME)


async def test_an_unknown_name_is_told_by_the_tokenizer(root: str) -> None:
    made = prompts()
    await made.learn([served(root, "completion")], "completion")
    assert made.family("completion").name == "qwen2.5-coder"
    await made.tokens_detail("completion")
    assert (await made.write(REQUEST, "completion")).token_ids


async def test_what_is_told_by_the_tokenizer_alone_has_no_licence_that_is_allowed(root: str) -> None:
    with pytest.raises(EngineRefused, match="a licence that Hearth does not know"):
        await prompts(("Apache-2.0",)).learn([served(root, "completion")], "completion")


async def test_an_alias_is_told_by_what_was_loaded(tmp_path: Path) -> None:
    made = prompts(("MNPL-*",))
    await made.learn([served(str(tmp_path / "Codestral-22B-v0.1"), "completion")], "completion")
    assert made.family("completion").name == "codestral"
    with pytest.raises(EngineRefused, match=r"has the licence MNPL-0\.1"):
        await prompts(("MIT",)).learn([served("/models/codestral-22b", "completion")], "completion")


async def test_an_adapter_is_of_its_models_family_and_has_its_tokenizer(root: str) -> None:
    made = prompts()
    adapter = ServedModel("team-billing", "/adapters/billing", parent=NAME, takes_token_ids=True)
    await made.learn([served(root), adapter], NAME)
    await made.tokens_detail(NAME)
    assert await made.write(REQUEST, "team-billing") == await made.write(REQUEST, NAME)


async def test_the_admins_tokenizer_and_format_count(tmp_path: Path) -> None:
    like_starcoder().save(str(tmp_path / "mine.json"))
    made = prompts(tokenizer=str(tmp_path / "mine.json"), format="starcoder2")
    await made.learn([served("/nowhere")], NAME)
    assert await made.tokens_detail(NAME) == f"tokens are counted with {tmp_path}/mine.json"
    assert like_starcoder().id_to_token((await made.write(REQUEST, NAME)).token_ids[0]) == "<start>"


async def test_a_tokenizer_of_another_family_leaves_prompts_as_text(root: str) -> None:
    made = prompts(format="starcoder2")
    await made.learn([served(root)], NAME)
    assert "is not of the family starcoder2" in await made.tokens_detail(NAME)
    assert (await made.write(REQUEST, NAME)).text


async def test_an_unknown_model_is_refused_with_the_ways_out() -> None:
    with pytest.raises(EngineRefused, match='"acme/secret" is not known') as caught:
        await prompts().learn([ServedModel("acme/secret")], "acme/secret")
    assert "docs/models.md" in caught.value.advice


async def test_explanations_are_counted_with_the_models_tokenizer(root: str) -> None:
    made = ModelPrompts(FormatRegistry.built_in(), HearthConfig(explain=ExplainConfig(context_tokens=512)))
    question = ExplainRequest(path="a.py", language="python", text=CODE * 20, start_line=1, end_line=9)
    estimated = (await made.write_explanation(question))[1].content
    await made.learn([served(root)], NAME)
    await made.tokens_detail(NAME)
    counted = (await made.write_explanation(question))[1].content
    assert len(counted) != len(estimated)
    assert 128 < len(like_qwen().encode(counted).ids) < 512


def test_a_tokenizer_is_looked_for_on_this_machine(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_tokenizer("", root)[1] == f"{root}/tokenizer.json"
    cache = tmp_path / "hub"
    snapshot = cache / "models--Qwen--Qwen2.5-Coder-7B" / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("c0ffee")
    like_qwen().save(str(snapshot / "tokenizer.json"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    assert find_tokenizer("", NAME)[1] == str(snapshot / "tokenizer.json")
    assert find_tokenizer(NAME, "/nowhere")[1] == str(snapshot / "tokenizer.json")
    for setting, at in (("", "acme/other"), ("", "no/name/of/a hub"), ("/nowhere", root), ("", "")):
        with pytest.raises(TokenizerMissing):
            find_tokenizer(setting, at)


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(TokenizerMissing, match="cannot be read"):
        find_tokenizer("", str(tmp_path))


async def test_many_writers_share_one_tokenizer(root: str) -> None:
    made = prompts()
    await made.learn([served(root)], NAME)
    await made.tokens_detail(NAME)
    requests = [
        CompletionRequest(path=f"{number}.py", language="python", prefix=CODE[number:], suffix="", max_tokens=32)
        for number in range(40)
    ]
    together = await asyncio.gather(*(made.write(request, NAME) for request in requests))
    assert list(together) == [await made.write(request, NAME) for request in requests]


async def test_the_prompts_beginning_is_the_same_for_one_line_and_for_several(root: str) -> None:
    made = prompts()
    await made.learn([served(root)], NAME)
    await made.tokens_detail(NAME)
    long = CompletionRequest(path="a.py", language="python", prefix=CODE * 100, suffix="", max_tokens=32)
    one, several = await made.write(replace(long, max_tokens=8), NAME), await made.write(long, NAME)
    assert one.token_ids == several.token_ids
