"""Formats of model families: data that is complete, found by name, and safe against text from files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.completion.postprocess import cursor_of, settle
from server.errors import EngineRefused
from server.prompt import Commercial, FimFormat, FormatRegistry, ModelKind
from server.prompt.formats import Marker
from server.types import CompletionRequest

REGISTRY = FormatRegistry.built_in()
FORMATS = REGISTRY.all()
each_format = pytest.mark.parametrize("fim", FORMATS, ids=lambda fim: fim.name)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen2.5-Coder-7B", "qwen2.5-coder"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder"),
        ("/models/deepseek-coder-v2-lite-base/", "deepseek-coder"),
        ("mistralai/Codestral-22B-v0.1", "codestral"),
        ("bigcode/starcoder2-3b", "starcoder2"),
        ("codellama/CodeLlama-7b-hf", "codellama"),
        ("google/codegemma-2b", "codegemma"),
        ("ibm-granite/granite-3b-code-base-2k", "granite-code"),
        ("ByteDance-Seed/Seed-Coder-8B-Base", "seed-coder"),
        ("JetBrains/Mellum-4b-base", "mellum"),
        ("zai-org/GLM-4.5", "glm-4.5"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3"),
        ("Qwen/Qwen3-Coder-Next", "qwen3-coder"),
        ("Qwen/CodeQwen1.5-7B", "codeqwen1.5"),
        ("bigcode/starcoder", "starcoder"),
        ("bigcode/starcoderbase-1b", "starcoder"),
        ("stabilityai/stable-code-3b", "stable-code"),
        ("ibm-granite/granite-3.3-8b-base", "granite-code"),
        ("ibm-granite/granite-4.0-h-tiny-base", "granite-4"),
        ("JetBrains/Mellum2-12B-A2.5B-Base", "mellum"),
    ],
)
def test_models_are_recognised_by_their_names(model: str, name: str) -> None:
    assert REGISTRY.find(model).name == name


def test_the_admins_word_wins_over_the_name() -> None:
    assert REGISTRY.find("Qwen/Qwen2.5-Coder-7B", "starcoder2").name == "starcoder2"


def test_an_unknown_model_says_what_to_write() -> None:
    with pytest.raises(EngineRefused) as caught:
        REGISTRY.find("acme/secret-model")
    assert "acme/secret-model" in caught.value.message
    assert "`format` in [engine.vllm]" in caught.value.advice
    with pytest.raises(EngineRefused, match="no-such-format"):
        REGISTRY.find("Qwen/Qwen2.5-Coder-7B", "no-such-format")


@each_format
def test_a_format_is_complete(fim: FimFormat) -> None:
    assert fim.template.count("{prefix}") == fim.template.count("{suffix}") == 1
    assert fim.stop or fim.stop_token_ids
    assert fim.title
    assert fim.commercial is not Commercial.UNKNOWN
    assert fim.bos == "" or fim.bos in fim.markers
    for pattern in fim.models:
        assert pattern == pattern.lower()
    written = fim.template.format(prefix="", suffix="")
    assert fim.neutralise(written) != written, "the template's own markers must be in `markers`"
    assert not any(" " in marker for marker in fim.markers)
    if fim.kind is ModelKind.FIM:
        assert {stop for stop in fim.stop if stop not in fim.markers} == set()


@each_format
def test_what_leaks_of_a_prompt_is_never_shown(fim: FimFormat) -> None:
    as_text = {"<filename>", "<repo_name>", "<reponame>", "<eos>", "<PRE>", "<SUF>", "<MID>"}
    markers = {part.text for part in fim.parts(fim.template) if isinstance(part, Marker)} | set(fim.stop)
    request = CompletionRequest(path="a.py", language="python", prefix="x = ", suffix="\n")
    for marker in markers - as_text - {"<HOLE/>", "<COMPLETION>"}:
        shown = settle(f"1{marker}import", cursor_of(request), final=True).text
        assert shown == "1" or (fim.kind is ModelKind.INSTRUCT and marker != "</COMPLETION>")


@each_format
@settings(deadline=None)
@given(data=st.data())
def test_no_text_from_a_file_can_contain_a_marker(fim: FimFormat, data: st.DataObject) -> None:
    pieces = st.one_of(
        st.sampled_from(fim.markers), st.sampled_from("<>|[] ab"), st.sampled_from(fim.markers).map(lambda m: m[:3])
    )
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    safe = fim.neutralise(text)
    assert not any(marker in safe for marker in fim.markers)
    assert safe.replace(" ", "") == text.replace(" ", "")


@each_format
def test_ordinary_code_is_left_as_it_is(fim: FimFormat) -> None:
    code = 'if (a < b && list[0] |= {}) { return "<div>"; } // caf\u00e9\r\n\t'
    assert fim.neutralise(code) == code


def test_suffix_first_families_are_told_apart() -> None:
    suffix_first = {fim.name for fim in FORMATS if fim.suffix_first}
    assert suffix_first == {"codestral", "seed-coder", "mellum"}
