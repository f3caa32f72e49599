"""Every plan against the real parser of vLLM's command line."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
from pathlib import Path

import pytest

from server.config.arguments import ALLOWED
from server.engine.launch.facts import Gpu, find_installation
from server.engine.launch.plan import Instance
from tests.real.vllm_process import vllm_python
from tests.server.engine.launch.test_plan import ALL, COMPLETION, plan

pytestmark = pytest.mark.real

PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
parsed = [vars(parser.parse_args(arguments)) for arguments in json.load(sys.stdin)]
names = sorted({name for action in parser._actions for name in action.option_strings})
print(json.dumps([names, parsed], default=str))
"""
MODELS = {"/models/Qwen2.5-Coder-7B": 14.2, "/models/Qwen2.5-Coder-14B-Instruct": 27.5, "/models/embedder": 1.1}
ADAPTERS = 'lora = { payments-lora = "/models/payments", core = "/models/core" }\n'


def arguments_of(instance: Instance) -> list[str]:
    """Return what vLLM's own parser is given."""
    command = list(instance.command)
    return command[command.index("serve") + 1 :] if "serve" in command else command[3:]


def test_vllm_takes_every_plan(tmp_path: Path) -> None:
    installed = find_installation(str(vllm_python()))
    assert installed.problem == ""
    instances = [
        instance
        for text, gib, models, serves in itertools.product(
            (COMPLETION, COMPLETION + ADAPTERS, ALL), (16, 24, 48, 80, 0), (MODELS, {}), (True, False)
        )
        for instance in plan(
            tmp_path,
            text,
            gpus=(Gpu(0, "a GPU", gib, 0.0), Gpu(1, "a GPU", gib, 0.0)) if gib else (),
            models=models,
            installation=dataclasses.replace(installed, serves=serves),
        ).instances
    ]
    assert not any(instance.left_out for instance in instances)
    done = subprocess.run(
        [installed.python, "-c", PARSE],
        input=json.dumps([arguments_of(instance) for instance in instances]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    names, parsed = json.loads(done.stdout.splitlines()[-1])
    for instance, understood in zip(instances, parsed, strict=True):
        assert instance.model in {understood["model"], understood["model_tag"]}
        assert understood["served_model_name"] == [instance.name]
        assert understood["uds"] == str(instance.uds)
        assert understood["runner"] == ("pooling" if instance.role.value == "embeddings" else "auto")
        assert len(understood["lora_modules"] or ()) == (2 if "--lora-modules" in instance.command else 0)
        kept = understood["kv_cache_memory_bytes"] or 0
        assert kept == (int(instance.share.kv_cache * 2**30) if instance.share is not None else 0)
    # Of what `extra_arguments` may hold, vLLM knows all but a few, which come and go with its versions.
    assert len([name for name in ALLOWED if f"--{name}" not in names]) <= 10
