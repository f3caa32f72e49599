"""The key that keeps tenants apart, and what is made of it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.engine.vllm.salts import TenantSalts
from server.errors import EngineRefused


def salt(path: Path | None, tenant: str = "shop", key: bytes = b"") -> str:
    salts = TenantSalts(key, path)
    if not salts.ready:
        salts.prepare()
    return salts.salt(tenant)


def test_a_salt_is_the_tenants_own_and_stays_the_same_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "data" / "cache_salt.key"
    assert salt(path) == salt(path)
    assert salt(path) != salt(path, "bank")
    assert salt(path) != salt(tmp_path / "other.key")
    assert len(salt(path)) == 64
    assert set(salt(path)) <= set("0123456789abcdef")


def test_the_key_is_readable_by_its_owner_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cache_salt.key"
    before = salt(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert salt(path) == before
    assert str(path) in caplog.text
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache_salt.key"]


def test_processes_that_start_at_once_agree_on_a_key(tmp_path: Path) -> None:
    path = tmp_path / "cache_salt.key"
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(salt, [path] * 64))) == 1


def test_a_named_key_makes_the_same_salts_on_every_machine() -> None:
    assert salt(None, key=b"a long random string") == salt(None, key=b"a long random string")


def test_without_a_file_nobody_can_compute_it() -> None:
    assert salt(None) != salt(None)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache_salt.key"
    path.write_bytes(content)
    with pytest.raises(EngineRefused, match=r"cache_salt\.key does not hold a key"):
        salt(path)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineRefused, match=r"cache_salt\.key.* cannot be used"):
        salt(tmp_path / "file" / "cache_salt.key")
