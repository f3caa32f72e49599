"""The audit log on disk."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from server.config import AuditConfig
from server.gateway import audit
from server.gateway.audit import Audit
from tests.patience import WAIT_SECONDS


def test_events_are_read_back_in_order_across_files_that_only_their_owner_may_read(tmp_path: Path) -> None:
    log = Audit(tmp_path, AuditConfig())
    for number in range(50):
        log.note("completion", user="ana", number=number, model="")
    log.close()
    small = AuditConfig(file_mb=1)
    for number in range(50, 60):
        audit.append(tmp_path / "audit", [json.dumps({"number": number, "filler": "x" * 300_000})], small)
    numbers = [json.loads(line)["number"] for line in audit.read(tmp_path)]
    assert numbers == list(range(60))
    files = list((tmp_path / "audit").iterdir())
    assert len(files) >= 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert "model" not in json.loads(next(audit.read(tmp_path)))


def test_the_oldest_files_go_first(tmp_path: Path) -> None:
    config = AuditConfig(file_mb=1, files=2)
    for number in range(6):
        audit.append(tmp_path / "audit", [json.dumps({"number": number, "filler": "x" * 1_100_000})], config)
    assert [json.loads(line)["number"] for line in audit.read(tmp_path)] == [4, 5]


def test_line_breaks_in_a_value_forge_no_entry(tmp_path: Path) -> None:
    log = Audit(tmp_path, AuditConfig())
    log.note("sign-in-refused", address='1.2.3.4"\n{"event": "token-created"}\r\n')
    log.close()
    [line] = audit.read(tmp_path)
    assert json.loads(line)["event"] == "sign-in-refused"


def test_a_disk_that_takes_nothing_stops_nobody_and_the_loss_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit").write_text("a file where the directory should be")
    log = Audit(tmp_path, AuditConfig())
    log.note("completion", user="ana")
    deadline = time.monotonic() + WAIT_SECONDS
    while "cannot be written" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (tmp_path / "audit").unlink()
    log.note("completion", user="ben")
    log.close()
    entries = [json.loads(line) for line in audit.read(tmp_path)]
    assert [(entry["event"], entry.get("events")) for entry in entries] == [("completion", None), ("audit-lost", 1)]
