"""A pack of a gigabyte, pushed to a bare repository with the installed hook."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.config import IndexConfig, RepositoriesConfig
from indexer.hook.install import install
from indexer.hook.settings import HookSettings
from indexer.queue import Queue
from indexer.queue import Repository as Registered
from indexer.store.lock import writer_process
from indexer.types import Scope, SkipReason
from indexer.worker.dispatch import Dispatcher
from tests.conftest import Repository
from tests.patience import WAIT_SECONDS

pytestmark = pytest.mark.real

COMMAND = (sys.executable, "-P", "-m", "indexer.hook")
BLOBS, BLOB_BYTES = 16, 64 * 2**20
MOST_MIB = 400


class Peak:
    """Watches the memory of the process that writes to a data directory."""

    def __init__(self, data: Path) -> None:
        self.mib = 0.0
        self._data = data
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            process = writer_process(self._data)
            try:
                status = Path(f"/proc/{process}/status").read_text() if process else ""
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    self.mib = max(self.mib, int(line.split()[1]) / 1024)


async def test_a_gigabyte_is_pushed_and_only_its_code_is_indexed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "clone").mkdir()
    clone = Repository(tmp_path / "clone")
    clone.git("init", "--quiet", "--initial-branch=main")
    clone.git("config", "core.compression", "0")
    clone.git("config", "pack.window", "0")
    bare = tmp_path / "shop.git"
    clone.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    # Few objects would be unpacked, each into a file of its own.
    clone.git("-C", str(bare), "config", "receive.unpackLimit", "1")
    clone.git("remote", "add", "origin", str(bare))
    clone.commit({"a.py": "def first_function():\n    return 1\n"}, "Begin")
    clone.git("push", "--quiet", "origin", "main")
    install(bare, HookSettings("shop", data=str(data)), COMMAND)
    for number in range(BLOBS):
        (clone.path / f"movie_{number}.bin").write_bytes(os.urandom(BLOB_BYTES))
    clone.commit({"b.py": "def beside_the_movies():\n    return 2\n"}, "Add movies")
    with Queue(data) as queue:
        queue.register(Registered("shop", str(bare)))
        async with Dispatcher(data, IndexConfig(), RepositoriesConfig(), queue):
            with Peak(data) as peak:
                clone.git("push", "--quiet", "origin", "main")
                pushed = time.monotonic()
                assert sum(file.stat().st_size for file in bare.rglob("*.pack")) > BLOBS * BLOB_BYTES
                await until_found(data, "beside_the_movies")
                seconds = time.monotonic() - pushed
    with Index.open(data) as index:
        skips = index.skips("shop")
    assert len(skips) == BLOBS
    assert {skip.reason for skip in skips} <= {SkipReason.TOO_LARGE, SkipReason.BINARY}
    print(f"found {seconds:.1f} s after the push, with {peak.mib:.0f} MiB at most")
    assert 0 < peak.mib < MOST_MIB


async def until_found(data: Path, query: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with Index.open(data) as index:
                if any(query in hit.text for hit in index.search(query, Scope(), 3)):
                    return
            await asyncio.sleep(0.2)
