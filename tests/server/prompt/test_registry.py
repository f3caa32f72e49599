"""Which family a model is of, what an admin may say about it, and which licences are allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.config import ModelsConfig, VllmConfig
from server.errors import ConfigError, EngineRefused
from server.prompt import FormatRegistry

REGISTRY = FormatRegistry.built_in()
OWN = """
[[format]]
name = "acme"
like = "qwen2.5-coder"
models = ["acme-coder*"]
licence = "Acme"
commercial = "yes"
"""


def load(tmp_path: Path, text: str, allowed: tuple[str, ...] = ("*",)) -> FormatRegistry:
    file = tmp_path / "models.toml"
    file.write_text(text, encoding="utf-8")
    return FormatRegistry.load(ModelsConfig((file,), allowed))


@pytest.mark.parametrize(
    ("model", "licence", "commercial", "context"),
    [
        ("Qwen/Qwen2.5-Coder-7B", "Apache-2.0", "yes", 32768),
        ("Qwen/Qwen2.5-Coder-3B-Instruct", "Qwen-Research", "no", 32768),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Llama-3", "limited", 8192),
        ("meta-llama/Llama-3.2-3B-Instruct", "Llama-3.2", "limited", 131072),
        ("ibm-granite/granite-3b-code-base-128k", "Apache-2.0", "yes", 131072),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "DeepSeek", "limited", 131072),
        ("Qwen/CodeQwen1.5-7B", "Tongyi-Qianwen-Research", "no", 65536),
        ("Qwen/CodeQwen1.5-7B-Chat", "Tongyi-Qianwen", "limited", 65536),
        ("mistralai/Codestral-2508", "Mistral-Commercial", "limited", 262144),
        ("bigcode/starcoder2-3b", "BigCode-OpenRAIL-M", "limited", 16384),
        ("ibm-granite/granite-3.3-2b-base", "Apache-2.0", "yes", 131072),
        ("ibm-granite/granite-4.0-350m-base", "Apache-2.0", "yes", 32768),
        ("JetBrains/Mellum2-12B-A2.5B-Base", "Apache-2.0", "yes", 131072),
    ],
)
def test_models_of_a_family_may_differ(model: str, licence: str, commercial: str, context: int) -> None:
    found = REGISTRY.find(model)
    assert (found.licence, found.commercial, found.context_tokens) == (licence, commercial, context)


@pytest.mark.parametrize(
    "model",
    [
        "codellama/CodeLlama-34b-hf",
        "ByteDance-Seed/Seed-Coder-8B-Instruct",
        "google/codegemma-7b-it",
        "google/codegemma-1.1-7b-it-GGUF",
    ],
)
def test_a_model_that_cannot_fill_holes_is_refused(model: str) -> None:
    with pytest.raises(EngineRefused, match="was not trained to fill a hole") as caught:
        REGISTRY.find(model)
    assert "Only the" in caught.value.advice


def test_an_admin_adds_a_family_that_is_like_another(tmp_path: Path) -> None:
    found = load(tmp_path, OWN).find("models/Acme-Coder-v2")
    assert (found.name, found.licence, found.exception) == ("acme", "Acme", ())
    assert found.template == REGISTRY.find("qwen2.5-coder").template


def test_an_admins_word_on_a_known_family_counts(tmp_path: Path) -> None:
    known = OWN.replace('"acme"', '"starcoder2"').replace('"qwen2.5-coder"', '"starcoder2"')
    registry = load(tmp_path, known.replace("acme-coder*", "starcoder2*"))
    assert registry.find("bigcode/starcoder2-3b").licence == "Acme"
    assert len(registry.all()) == len(REGISTRY.all())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN.replace("licence =", "license ="), "models.toml:6: format.0.license: unknown setting"),
        (OWN.replace('"yes"', '"perhaps"'), 'models.toml:7: format.0.commercial: must be one of "yes", "limited"'),
        (OWN.replace("qwen2.5-coder", "gpt"), 'models.toml:4: format.0.like: there is no format "gpt" before it'),
        (OWN + 'template = "{prefix}"\n', "models.toml:8: format.0.template: must have {suffix} once"),
        ('[[format]]\nname = "x"\nmodels = ["x"]\n', "models.toml:1: format.0.commercial: is missing"),
        ("format = 3\n", "models.toml:1: format: must be a list, not 3"),
    ],
)
def test_a_mistake_in_the_admins_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert said in caught.value.message


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        FormatRegistry.load(ModelsConfig((Path("absent.toml"),)))


@pytest.mark.parametrize(
    ("allowed", "config", "refused"),
    [
        (("*",), VllmConfig(model="codestral-22b"), ""),
        (("apache-2.0",), VllmConfig(model="Qwen/Qwen2.5-Coder-7B"), ""),
        (("Apache-2.0",), VllmConfig(model="Qwen/Qwen2.5-Coder-3B"), "has the licence Qwen-Research"),
        (("Apache-2.0", "Llama-*"), VllmConfig(chat_model="Llama-3.1-8B-Instruct"), ""),
        (("MIT",), VllmConfig(chat_model="Llama-3.1-8B-Instruct"), "has the licence Llama-3.1"),
        (("MIT",), VllmConfig(model="acme/secret"), "has a licence that Hearth does not know"),
        (("MIT",), VllmConfig(model="acme/secret", format="seed-coder"), ""),
        (("MIT",), VllmConfig(teams={"payments": "codestral-22b"}), "has the licence MNPL-0.1"),
        (("MIT",), VllmConfig(chat_teams={"payments": "codestral-22b"}), "has the licence MNPL-0.1"),
        (("MIT",), VllmConfig(teams={"payments": "payments-lora"}), ""),
        # What the server has is looked at when it says so.
        (("MIT",), VllmConfig(), ""),
    ],
)
def test_only_models_of_allowed_licences_are_used(allowed: tuple[str, ...], config: VllmConfig, refused: str) -> None:
    registry = FormatRegistry.load(ModelsConfig(allowed_licences=allowed))
    if not refused:
        registry.require_configured_allowed(config)
        return
    with pytest.raises(EngineRefused, match=refused) as caught:
        registry.require_configured_allowed(config)
    assert "allowed_licences" in caught.value.message
    assert allowed[0] in caught.value.advice


QWEN = set(REGISTRY.find("qwen2.5-coder").markers)


def test_a_tokenizer_tells_the_family_of_a_model_with_another_name() -> None:
    found = REGISTRY.detect("acme/secret", {*QWEN, "<|extra|>"})
    assert found.name == "qwen2.5-coder"
    assert found.licence == "unknown"


def test_a_tokenizer_that_fits_nothing_or_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="is not known"):
        REGISTRY.detect("acme/secret", {"<s>", "</s>"})
    other = OWN + 'template = "<|fim_suffix|>{suffix}<|fim_prefix|>{prefix}<|fim_middle|>"\n'
    with pytest.raises(EngineRefused, match="fits several families") as caught:
        load(tmp_path, other).detect("acme/secret", QWEN)
    assert "acme, qwen2.5-coder" in caught.value.advice


def test_the_examples_of_the_documentation_work(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    examples = [text for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[[format]]" in text]
    registry = load(tmp_path, "\n".join(examples))
    assert registry.find("acme-coder-7b").licence == "Acme internal"
    assert registry.find("other-coder-1b").suffix_first
    with pytest.raises(EngineRefused):
        registry.find("other-coder-1b-chat")
