"""An index of three repositories, shared by all tests of the team server that only read it."""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Repository
from tests.server.indexed import SECRET, SHOP, build_index

TOOLS = {"tools/format.py": "def format_price(price: float) -> str:\n    return f'{price:.2f}'\n"}


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory with the index of ``shop``, ``secret`` and ``tools``, which no server may write to."""
    directory = tmp_path_factory.mktemp("team")
    repositories = []
    for name, files in (("shop", SHOP), ("secret", SECRET), ("tools", TOOLS)):
        (directory / name).mkdir()
        repository = Repository(directory / name)
        repository.git("init", "--quiet", "--initial-branch=main")
        repository.commit(files, "Begin")
        repositories.append(repository)
    build_index(directory / "data", repositories).close()
    return directory / "data"


@pytest.fixture
def data(indexed: Path, tmp_path: Path) -> Path:
    """A copy of that directory, for a server and what it writes there, or for accounts."""
    return Path(shutil.copytree(indexed, tmp_path / "data"))


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def unused_ports() -> list[int]:
    """Three of them."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        return [int(listener.getsockname()[1]) for listener in listeners]
