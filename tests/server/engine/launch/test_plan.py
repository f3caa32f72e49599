"""From settings and what a machine has to command lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from server.config import HearthConfig, check, with_launched_servers
from server.engine.launch.environment import inherited
from server.engine.launch.facts import Facts, Gpu, Installation, find_installation
from server.engine.launch.model_files import ModelFiles, read_model_files
from server.engine.launch.plan import Plan, make_plan

H100 = Gpu(0, "NVIDIA H100 80GB HBM3", 80.0, 0.5)
VLLM = Installation("/opt/vllm/bin/python", "0.33.0", serves=True)
CPU_BUILD = Installation("/opt/vllm/bin/python", "0.32.0", serves=False)
SPECULATION = '{"method":"ngram","num_speculative_tokens":4,"prompt_lookup_min":2,"prompt_lookup_max":5}'

COMPLETION = """
[engine.launcher.completion]
model = "/models/Qwen2.5-Coder-7B"
"""
ALL = (
    COMPLETION
    + """
[engine.launcher.explanation]
model = "/models/Qwen2.5-Coder-14B-Instruct"
[engine.launcher.embeddings]
model = "/models/embedder"
memory_gib = 6
"""
)


def settings(tmp_path: Path, text: str) -> HearthConfig:
    file = tmp_path / "hearth.toml"
    file.write_text(f'[data]\ndirectory = "/srv/hearth"\n[engine]\nlaunch = true\n{text}')
    config, problems = check(file)
    assert config is not None, problems
    return with_launched_servers(config)


def plan(tmp_path: Path, text: str, **facts: Any) -> Plan:
    found: dict[str, Any] = {"gpus": (H100,), "installation": VLLM, **facts}
    found["models"] = {
        name: item if isinstance(item, ModelFiles) else ModelFiles(item)
        for name, item in found.get("models", {}).items()
    }
    return make_plan(settings(tmp_path, text), Facts(**found))


def value(command: tuple[str, ...], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_command_line_on_a_gpu(tmp_path: Path) -> None:
    (instance,) = plan(tmp_path, COMPLETION, models={"/models/Qwen2.5-Coder-7B": 14.0}).instances
    assert instance.command == (
        *("/opt/vllm/bin/python", "-m", "vllm.entrypoints.cli.main", "serve", "/models/Qwen2.5-Coder-7B"),
        *("--served-model-name", "Qwen2.5-Coder-7B", "--uds", "/srv/hearth/engine/completion.sock"),
        *("--max-model-len", "8192", "--max-num-seqs", "64", "--max-num-queued-reqs", "256"),
        *("--performance-mode", "interactivity", "--max-num-batched-tokens", "4096"),
        *("--scheduling-policy", "priority", "--long-prefill-token-threshold", "1024"),
        *("--speculative-config", SPECULATION),
        *("--gpu-memory-utilization", "0.950", "--kv-cache-memory-bytes", str(60 * 2**30)),
        "--disable-uvicorn-access-log",
    )
    assert instance.also_explains
    assert all(flag.reason for flag in instance.flags)
    assert instance.environment["CUDA_VISIBLE_DEVICES"] == "0"


def test_command_line_of_the_cpu_build(tmp_path: Path) -> None:
    text = COMPLETION + 'memory_gib = 2\nspeculative = false\nextra_arguments = ["--dtype", "bfloat16"]\n'
    found = plan(tmp_path, text, gpus=(), installation=CPU_BUILD)
    (instance,) = found.instances
    assert found.device == "cpu"
    assert instance.command == (
        *("/opt/vllm/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model", "/models/Qwen2.5-Coder-7B"),
        *("--served-model-name", "Qwen2.5-Coder-7B", "--uds", "/srv/hearth/engine/completion.sock"),
        *("--max-model-len", "8192", "--max-num-seqs", "64", "--max-num-queued-reqs", "256"),
        *("--performance-mode", "interactivity", "--max-num-batched-tokens", "4096"),
        *("--scheduling-policy", "priority", "--long-prefill-token-threshold", "1024"),
        *("--enforce-eager", "--disable-uvicorn-access-log", "--dtype", "bfloat16"),
    )
    assert instance.environment["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert instance.environment["CUDA_VISIBLE_DEVICES"] == ""


def test_servers_on_one_gpu_leave_the_reserve_to_others(tmp_path: Path) -> None:
    weights = {
        "/models/Qwen2.5-Coder-7B": 14.0,
        "/models/Qwen2.5-Coder-14B-Instruct": 28.0,
        "/models/embedder": 1.0,
    }
    found = plan(tmp_path, ALL, models=weights)
    shares = {item.role.value: item.share for item in found.instances}
    assert found.problems == ()
    assert all(share is not None and share.kv_cache > 0.25 for share in shares.values())
    assert sum(share.total for share in shares.values() if share) == pytest.approx(80.0 - 4.0)
    assert shares["embeddings"] is not None
    assert shares["embeddings"].total == 6.0


@pytest.mark.parametrize(("text", "weights", "problem"), [
    (COMPLETION, {"/models/Qwen2.5-Coder-7B": 79.0}, "80.0 GiB, 5.2 GiB too little for completion 81.2 GiB"),
    (COMPLETION + "memory_gib = 70\n", {"/models/Qwen2.5-Coder-7B": 69.0}, "do not hold 69.0 GiB of weights"),
    (COMPLETION + "memory_gib = 100\n", {}, "more than the GPU has"),
    (COMPLETION + "gpus = [1]\n", {}, "no GPU 1"),
    (COMPLETION + "memory_gib = 78\n", {}, "2.0 GiB too little for"),
])  # fmt: skip
def test_what_does_not_fit_is_a_problem(tmp_path: Path, text: str, weights: dict[str, float], problem: str) -> None:
    assert problem in "; ".join(plan(tmp_path, text, models=weights).problems)


SMALL = {
    "/models/Qwen2.5-Coder-7B": ModelFiles(14.2, 32768, 57_344),
    "/models/Qwen2.5-Coder-14B-Instruct": ModelFiles(27.5, 32768, 196_608),
    "/models/embedder": ModelFiles(1.1, 512, 0),
}


@pytest.mark.parametrize(("gib", "missing"), [(16, 38.6), (24, 30.6), (48, 6.6), (80, 0.0)])
def test_what_three_servers_need_of_one_gpu_is_said_at_once(tmp_path: Path, gib: int, missing: float) -> None:
    text = ALL.replace("memory_gib = 6\n", "")
    found = plan(tmp_path, text, models=SMALL, gpus=(Gpu(0, "a GPU", gib, 0.0),))
    if not missing:
        assert found.problems == ()
        return
    (problem,) = found.problems
    assert problem.startswith(
        f"GPU 0 has {gib:.1f} GiB, {missing} GiB too little for completion 16.6 GiB, explanation 30.6 GiB and "
        "embeddings 3.4 GiB and the 4 GiB of `reserve_gib`"
    )


def test_what_is_left_is_for_those_who_write(tmp_path: Path) -> None:
    text = ALL.replace("memory_gib = 6\n", "")
    shares = [item.share for item in plan(tmp_path, text, models=SMALL).instances]
    left = [share.kv_cache for share in shares if share is not None]
    assert left == pytest.approx([0.4375 + 12.68, 1.125 + 12.68, 0.25], abs=0.02)


def test_a_kv_cache_holds_a_prompt_of_the_full_length(tmp_path: Path) -> None:
    """As vLLM wants it, which otherwise does not start: half a megabyte a token, as without grouped heads."""
    files = {"/models/Qwen2.5-Coder-7B": ModelFiles(14.2, 32768, 524_288)}
    (problem,) = plan(tmp_path, COMPLETION + "memory_gib = 18\n", models=files).problems
    assert "18.0 GiB of a GPU do not hold 14.2 GiB of weights, 2 GiB for the work and 4.0 GiB for one prompt" in problem
    fp8 = COMPLETION + 'memory_gib = 18\nextra_arguments = ["--kv-cache-dtype", "fp8"]\n'
    assert plan(tmp_path, fp8, models=files).problems == ()
    (problem,) = plan(tmp_path, COMPLETION + "memory_gib = 2\n", models=files, gpus=()).problems
    assert problem == (
        "completion: `memory_gib` has 2 GiB for the KV cache, and one prompt of the full length takes 4.0 GiB"
    )


def test_no_server_is_asked_for_more_than_its_model_takes(tmp_path: Path) -> None:
    models = {**SMALL, "/models/Qwen2.5-Coder-7B": ModelFiles(14.2, 2048, 57_344)}
    completion, explanation, embeddings = plan(tmp_path, ALL, models=models).instances
    assert value(completion.command, "--max-model-len") == "2048"
    assert value(explanation.command, "--max-model-len") == "6144"
    assert value(embeddings.command, "--max-model-len") == "512"
    (warning,) = plan(tmp_path, ALL, models=models).warnings
    assert warning.startswith("completion: the model takes 2048 tokens, fewer than the 8192")


def test_what_others_use_of_a_gpu_and_too_little_memory_are_warnings(tmp_path: Path) -> None:
    (warning,) = plan(tmp_path, COMPLETION, models=SMALL, others_gib={0: 30.0}).warnings
    assert warning.startswith("GPU 0: other processes use 30.0 GiB now")
    assert plan(tmp_path, COMPLETION, models=SMALL, others_gib={0: 3.0}).warnings == ()
    (warning,) = plan(tmp_path, ALL, models=SMALL, gpus=(), memory_gib=32.0).warnings
    assert warning.startswith("weights and KV caches take 56.8 GiB at the least, and the machine has 32.0 GiB")
    assert plan(tmp_path, ALL, models=SMALL, gpus=(), memory_gib=64.0).warnings == ()


QWEN_7B = {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 3584}


@pytest.mark.parametrize(("config", "tokenizer", "expected"), [
    ({**QWEN_7B, "max_position_embeddings": 32768, "sliding_window": 131072, "use_sliding_window": False}, {},
     (32768, 57_344)),
    ({**QWEN_7B, "max_position_embeddings": 8192, "layer_types": ["full_attention"] * 28}, {"model_max_length": 512},
     (512, 57_344)),
    ({**QWEN_7B, "max_position_embeddings": 4096, "sliding_window": 4096}, {"model_max_length": 1e30}, (4096, 0)),
    ({**QWEN_7B, "max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, {}, (0, 57_344)),
    ({"text_config": {**QWEN_7B, "head_dim": 256, "max_position_embeddings": 4096}}, {}, (4096, 114_688)),
    ({"max_position_embeddings": "many", "num_hidden_layers": None}, {}, (0, 0)),
    (["no", "object"], {}, (0, 0)),
])  # fmt: skip
def test_what_a_models_files_say(
    tmp_path: Path, config: Any, tokenizer: dict[str, Any], expected: tuple[int, int]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(2**29)
    found = read_model_files(str(tmp_path))
    assert (found.weights_gib, found.context_tokens, found.cache_bytes) == (0.5, *expected)
    assert read_model_files(str(tmp_path / "nowhere")) == ModelFiles()


def test_one_server_does_both_when_the_models_are_the_same(tmp_path: Path) -> None:
    text = COMPLETION + '[engine.launcher.explanation]\nmodel = "/models/Qwen2.5-Coder-7B"\n'
    (instance,) = plan(tmp_path, text).instances
    assert instance.also_explains
    assert settings(tmp_path, text).engine.vllm.chat_uds == ""


def test_a_server_for_each_role_and_all_commands_know_where(tmp_path: Path) -> None:
    found = plan(tmp_path, ALL)
    assert [item.role.value for item in found.instances] == ["completion", "explanation", "embeddings"]
    assert not found.instances[0].also_explains
    assert value(found.instances[1].command, "--max-model-len") == str(4096 + 1024 + 1024)
    assert value(found.instances[2].command, "--runner") == "pooling"
    config = settings(tmp_path, ALL)
    assert config.engine.vllm.uds == "/srv/hearth/engine/completion.sock"
    assert config.engine.vllm.model == "Qwen2.5-Coder-7B"
    assert config.engine.vllm.chat_uds == "/srv/hearth/engine/explanation.sock"
    assert config.engine.vllm.chat_model == "Qwen2.5-Coder-14B-Instruct"
    assert config.index.embedder.uds == "/srv/hearth/engine/embeddings.sock"


def test_an_address_in_the_settings_wins_over_the_launcher(tmp_path: Path) -> None:
    config = settings(tmp_path, COMPLETION + '[engine.vllm]\nurl = "http://models.internal:8000"\n')
    assert config.engine.vllm.url == "http://models.internal:8000"
    assert config.engine.vllm.uds == ""


def test_a_port_is_on_the_loopback_only(tmp_path: Path) -> None:
    (instance,) = plan(tmp_path, COMPLETION + "port = 8123\n").instances
    assert value(instance.command, "--host") == "127.0.0.1"
    assert value(instance.command, "--port") == "8123"
    assert settings(tmp_path, COMPLETION + "port = 8123\n").engine.vllm.url == "http://127.0.0.1:8123"


def test_adapters_are_loaded_together(tmp_path: Path) -> None:
    # A path that does not begin at the root begins where hearth.toml is, not where vLLM is started.
    text = COMPLETION + 'lora = { payments-lora = "/models/payments", core = "models/core" }\nmax_lora_rank = 32\n'
    (instance,) = plan(tmp_path, text).instances
    at = instance.command.index("--lora-modules")
    assert instance.command[at + 1 : at + 3] == ("payments-lora=/models/payments", f"core={tmp_path / 'models/core'}")
    assert value(instance.command, "--max-loras") == "2"
    assert value(instance.command, "--max-lora-rank") == "32"


def test_adapters_of_explanations_are_loaded_where_the_model_is(tmp_path: Path) -> None:
    explanation = '[engine.launcher.explanation]\nlora = { payments-chat = "/models/chat" }\nmax_lora_rank = 64\n'
    shared = COMPLETION + 'lora = { payments-lora = "/models/payments" }\n' + explanation
    (instance,) = plan(tmp_path, shared).instances
    at = instance.command.index("--lora-modules")
    assert set(instance.command[at + 1 : at + 3]) == {"payments-lora=/models/payments", "payments-chat=/models/chat"}
    assert value(instance.command, "--max-lora-rank") == "64"
    completion, own = plan(tmp_path, shared + 'model = "/models/Qwen2.5-Coder-14B-Instruct"\n').instances
    assert "payments-chat=/models/chat" not in completion.command
    assert value(own.command, "--lora-modules") == "payments-chat=/models/chat"


def test_a_model_over_two_gpus(tmp_path: Path) -> None:
    gpus = (H100, Gpu(1, H100.name, 80.0, 0.0))
    (instance,) = plan(
        tmp_path, COMPLETION + "gpus = [0, 1]\n", gpus=gpus, models={"/models/Qwen2.5-Coder-7B": 100.0}
    ).instances
    assert value(instance.command, "--tensor-parallel-size") == "2"
    assert instance.environment["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert instance.share is not None
    assert instance.share.weights == 50.0


def test_flags_that_this_vllm_does_not_know_are_left_out_and_named(tmp_path: Path) -> None:
    old = Installation("/opt/python", "0.10.0", serves=True, options=frozenset({"uds", "max-model-len"}))
    (instance,) = plan(tmp_path, COMPLETION, installation=old).instances
    assert "--performance-mode" not in instance.command
    assert "--performance-mode" in instance.left_out


def test_extra_arguments_replace_ours(tmp_path: Path) -> None:
    text = COMPLETION + 'extra_arguments = ["--max-num-batched-tokens=2048"]\n'
    (instance,) = plan(tmp_path, text).instances
    assert "--max-num-batched-tokens" not in instance.command
    assert instance.command[-1] == "--max-num-batched-tokens=2048"


@pytest.mark.parametrize("argument", [
    "--host=0.0.0.0", "--hos", "--trust-request-chat-template", "--trust_remote_code", "--api-key=secret", "--uds",
    "--middleware=os.system", "--allowed-local-media-path=/", "-c", "--enable-log-requests", "--config=x.yaml",
    "--kv-transfer-config.kv_connector=X", "model", "--",
])  # fmt: skip
def test_arguments_that_open_the_server_are_refused(tmp_path: Path, argument: str) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text(f'[engine.launcher.completion]\nmodel = "m"\nextra_arguments = ["{argument}"]\n')
    config, problems = check(file)
    assert config is None
    (problem,) = problems
    assert problem.key == "engine.launcher.completion.extra_arguments"
    assert "secret" not in str(problem)


def test_a_server_inherits_no_secret_and_no_switch_that_weakens_it() -> None:
    ours = {
        "PATH": "/usr/bin",
        "CUDA_HOME": "/cuda",
        "HEARTH_API_KEY": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PYTHONPATH": "/repo",
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_ALLOW_INSECURE_SERIALIZATION": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_USE_V1": "1",
    }
    assert inherited(ours) == {"PATH": "/usr/bin", "CUDA_HOME": "/cuda", "VLLM_USE_V1": "1"}


def test_a_long_data_directory_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "hearth.toml"
    file.write_text(f'[data]\ndirectory = "/srv/{"x" * 100}"\n[engine]\nlaunch = true\n{COMPLETION}')
    config, _ = check(file)
    assert config is not None
    uds = with_launched_servers(config).engine.vllm.uds
    assert uds.startswith(f"/tmp/hearth-{os.getuid()}-")
    assert len(uds) < 100


def test_a_python_without_vllm_says_so(tmp_path: Path) -> None:
    assert "has no vLLM" in find_installation("").problem
    assert "cannot be run" in find_installation(str(tmp_path / "python")).problem
