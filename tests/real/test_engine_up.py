"""``hearth engine up`` with a real vLLM: completions over its Unix socket, a kill, a team's adapter, embeddings."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.demo import HEARTH
from server.cli.assembly import running
from server.config import HearthConfig, check, with_launched_servers
from server.types import Caller, CompletionRequest, ExplainRequest, Rung
from tests.cache import CACHE, filling
from tests.conftest import Repository
from tests.patience import PATIENT, WAIT_SECONDS, model_limits
from tests.real.test_vllm import AREA, AREA_PREFIX, AREA_SUFFIX, EXAMPLES, QWEN, SEED
from tests.real.vllm_process import HERE, tiny_model, vllm_python

pytestmark = pytest.mark.real

AREA_PROMPT = next(prompt for prompt, completion in EXAMPLES.items() if completion == AREA)
TEAM_AREA = "amount"
"""A text that the model can say, and that its adapter says where the model itself says ``AREA``."""

_START_S = 600.0
_LOOK_S = 5.0
_CHAT_TEMPLATE = "{{ messages[-1].content }}"


def tiny_adapter(python: Path, model: Path) -> Path:
    """Train an adapter that answers one prompt in its own way, unless it is cached, and return its directory."""
    script = HERE / "make_tiny_lora.py"
    job = json.dumps({"examples": [{"prompt": AREA_PROMPT, "completion": TEAM_AREA}]})
    key = hashlib.sha256(script.read_bytes() + job.encode() + model.name.encode()).hexdigest()[:16]
    target = CACHE / f"tiny-lora-{key}"
    with filling(target.name):
        if not target.exists():
            request = CACHE / f"tiny-lora-{key}.json"
            request.write_text(job)
            building = target.with_suffix(f".{os.getpid()}")
            subprocess.run([python, script, model, request, building], check=True)
            building.rename(target)
    return target


@dataclass(frozen=True)
class Servers:
    """What ``hearth engine up`` runs."""

    data: Path
    configuration: Path
    up: subprocess.Popen[bytes]
    output: Path

    def hearth(self, *arguments: str | Path, status: int = 0) -> str:
        """Run a command and return what it printed."""
        command = [HEARTH, *map(str, arguments), "--data", str(self.data), "--config", str(self.configuration)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done.stdout

    def wait_until_ready(self, role: str, *, starts: int = 1) -> dict[str, Any]:
        """Wait until a server is ready and return its status."""
        deadline = time.monotonic() + _START_S
        said, asked = "", 0.0
        while time.monotonic() < deadline:
            assert self.up.poll() is None, self.output.read_text()
            # A command a look would take half a core from the servers that start.
            if said == self.output.read_text() and time.monotonic() < asked + _LOOK_S:
                time.sleep(0.1)
                continue
            said, asked = self.output.read_text(), time.monotonic()
            done = subprocess.run(
                [HEARTH, "engine", "status", "--json", "--data", self.data, "--config", self.configuration],
                check=False,
                capture_output=True,
                text=True,
            )
            for server in json.loads(done.stdout)["servers"]:
                if server["role"] == role and server["state"] == "ready" and server["starts"] >= starts:
                    return dict(server)
        raise AssertionError(self.output.read_text())


@pytest.fixture(scope="module")
def model() -> Path:
    """The tiny model of the other tests with a real vLLM."""
    return tiny_model(vllm_python(), [*QWEN, *SEED], EXAMPLES)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Servers]:
    """Completion and embeddings, each a vLLM, started by the command itself."""
    python = vllm_python()
    directory = tmp_path_factory.mktemp("up")
    configuration = directory / "hearth.toml"
    shared = f'model = "{model}"\nmemory_gib = 1\nmax_model_len = 2048\nmax_num_seqs = 8\n'
    configuration.write_text(
        f'[engine]\nlaunch = true\n[engine.vllm]\n{model_limits()}format = "qwen2.5-coder"\nexplain_temperature = 0.0\n'
        f'[engine.vllm.teams]\npayments = "payments-lora"\nsearch = "nowhere"\n'
        f'[engine.vllm.chat_teams]\npayments = "payments-lora"\n{PATIENT}[explain]\nmax_tokens = 16\n'
        f'[engine.launcher]\npython = "{python}"\nprobe_failures = 10\nrestart_seconds = 0.1\n'
        f"[engine.launcher.completion]\n{shared}"
        f'name = "qwen2.5-coder-tiny"\n'
        f'extra_arguments = ["--dtype", "float32", "--chat-template", "{_CHAT_TEMPLATE}"]\n'
        f'lora = {{ payments-lora = "{tiny_adapter(python, model)}" }}\n'
        f'[engine.launcher.embeddings]\n{shared}extra_arguments = ["--dtype", "float32"]\n'
    )
    output = directory / "up.log"
    command = [HEARTH, "engine", "up", "--data", str(directory / "data"), "--config", str(configuration)]
    with output.open("wb") as log:
        up = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        found = Servers(directory / "data", configuration, up, output)
        found.wait_until_ready("completion")
        found.wait_until_ready("embeddings")
        yield found
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(WAIT_SECONDS)


def test_a_completion_from_the_server_that_comes_back_after_a_kill(
    servers: Servers, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository({"geometry.py": AREA_PREFIX + AREA_SUFFIX}, name="shop")
    servers.hearth("index", repository.path)
    place = f"{repository.path / 'geometry.py'}:2:12"
    assert json.loads(servers.hearth("complete", "--engine", "vllm", "--json", place))["completions"][0]["text"] == AREA
    first = servers.wait_until_ready("completion")
    os.kill(first["pid"], signal.SIGKILL)
    second = servers.wait_until_ready("completion", starts=first["starts"] + 1)
    assert second["pid"] != first["pid"]
    assert json.loads(servers.hearth("complete", "--engine", "vllm", "--json", place))["completions"][0]["text"] == AREA


def configuration_of(servers: Servers) -> HearthConfig:
    """Return the settings that commands beside the servers find."""
    config, problems = check(servers.configuration)
    assert config is not None, problems
    return with_launched_servers(attrs.evolve(config, data=attrs.evolve(config.data, directory=servers.data)))


@pytest.mark.parametrize(("team", "expected"), [("payments", TEAM_AREA), ("search", AREA), ("", AREA)])
async def test_the_adapter_of_a_team_answers_that_team_only(servers: Servers, team: str, expected: str) -> None:
    servers.wait_until_ready("completion")
    request = CompletionRequest(
        path="geometry.py",
        language="python",
        prefix=AREA_PREFIX,
        suffix=AREA_SUFFIX,
        repository="shop",
        max_tokens=20,
        caller=Caller(team=team),
    )
    async with (
        asyncio.timeout(WAIT_SECONDS),
        running(configuration_of(servers), only=Rung.VLLM) as program,
        program.ladder.complete(request) as deltas,
    ):
        text = "".join([delta.text async for delta in deltas])
    assert text == expected


async def test_the_adapter_of_a_team_explains_to_that_team_only(servers: Servers) -> None:
    servers.wait_until_ready("completion")
    request = ExplainRequest("geometry.py", "python", AREA_PREFIX, 1, 2)
    texts = {}
    async with asyncio.timeout(WAIT_SECONDS), running(configuration_of(servers), only=Rung.VLLM) as program:
        for team in ("payments", "search", ""):
            async with program.ladder.explain(replace(request, caller=Caller(team=team))) as deltas:
                texts[team] = "".join([delta.text async for delta in deltas])
                assert deltas.model == ("payments-lora" if team == "payments" else "qwen2.5-coder-tiny")
    assert texts[""] == texts["search"] != texts["payments"]


def test_search_by_the_vectors_of_a_real_server(servers: Servers, make_repository: Callable[..., Repository]) -> None:
    repository = make_repository({"cart.py": AREA_PREFIX + AREA_SUFFIX}, name="cart")
    servers.hearth("index", repository.path)
    identity = json.loads((servers.data / "embedder.json").read_text())
    assert identity["dimensions"] == 128
    hits = json.loads(servers.hearth("search", "perimeter of a width and a height", "--repo", "cart", "--json"))
    assert hits


def test_doctor_names_the_model_that_a_team_lacks(servers: Servers) -> None:
    servers.wait_until_ready("completion")
    checks = json.loads(servers.hearth("doctor", "--json"))["checks"]
    (finding,) = [item for item in checks if item["name"] == "team models"]
    assert finding["level"] == "warn"
    assert "nowhere" in finding["message"]
    assert "payments-lora" not in finding["message"]
