"""``hearth backup`` and ``hearth restore`` on a data directory at rest: what is kept, what is refused."""

from __future__ import annotations

import json
import os
import pwd
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from indexer.api import Index
from indexer.backup.aside import aside
from indexer.queue import Queue, Repository
from indexer.types import Scope
from server.accounts import Accounts, TokenScope
from server.cli.assembly import SALT_KEY
from tests.server.cli.conftest import Hearth
from tests.server.gateway.team import HEARTH

FORMS = pytest.mark.parametrize("name", ["backup", "backup.tar", "backup.tar.gz"])


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A data directory with everything that cannot be made again."""
    data = tmp_path / "company"
    with Accounts(data) as accounts:
        accounts.add_user("ana", ["backend"])
        accounts.add_to_group("backend", repositories=["shop"])
        accounts.add_token("ana", {TokenScope.SEARCH})
    with Queue(data) as queue:
        queue.register(Repository("shop", "https://git.example.com/shop.git", credential="env:SHOP_TOKEN"))
    (data / SALT_KEY).write_bytes(b"k" * 32)
    (data / "downloads").mkdir()
    (data / "downloads" / "hearth.vsix").write_bytes(b"package")
    (data / "audit").mkdir()
    (data / "audit" / "audit.jsonl").write_text('{"event": "session"}\n')
    (data / "logs").mkdir()
    (data / "logs" / "worker.log").write_text("nothing to keep\n")
    return data


def everything(data: Path) -> tuple[object, ...]:
    with Accounts(data) as accounts, Queue(data) as queue:
        return accounts.directory(), queue.repositories(), (data / SALT_KEY).read_bytes()


def modes(directory: Path) -> set[int]:
    files = (file for file in directory.rglob("*") if file.is_file() and file.name != "worker.pid")
    return {stat.S_IMODE(file.stat().st_mode) for file in files}


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@FORMS
def test_what_is_backed_up_is_there_again_on_an_empty_machine(
    hearth: Hearth, company: Path, tmp_path: Path, name: str
) -> None:
    backup, new = tmp_path / name, tmp_path / "new"
    said = hearth("backup", backup, "--data", company, "--json").json()
    assert said["schemas"] == {"accounts.sqlite": 1, "queue.sqlite": 1} | said["schemas"]
    assert said["index"] is False
    outcome = hearth("restore", backup, "--data", new)
    assert outcome.code == 0, outcome.err
    assert "The index is made anew" in outcome.out
    assert everything(new) == everything(company)
    assert (new / "downloads" / "hearth.vsix").read_bytes() == b"package"
    lines = (new / "audit" / "audit.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"event": "session"}
    assert not (new / "logs").exists()


@FORMS
def test_the_index_comes_along_when_it_is_asked_for(hearth: Hearth, data: Path, tmp_path: Path, name: str) -> None:
    backup, new = tmp_path / name, tmp_path / "new"
    assert hearth("backup", backup, "--index", "--data", data).code == 0
    assert hearth("restore", backup, "--data", new).code == 0
    with Index.open(new) as index:
        index.check()
        assert index.search("average", Scope(), 1)[0].path == "shop/cart.py"


def test_nobody_else_may_read_a_backup_nor_what_was_restored(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        hearth("backup", tmp_path / "backup", "--data", company)
        hearth("backup", tmp_path / "backup.tar.gz", "--data", company)
        hearth("restore", tmp_path / "backup.tar.gz", "--data", tmp_path / "new")
    finally:
        os.umask(old)
    assert modes(tmp_path / "backup") == {0o600}
    assert stat.S_IMODE((tmp_path / "backup.tar.gz").stat().st_mode) == 0o600
    with tarfile.open(tmp_path / "backup.tar.gz") as tar:
        assert {stat.S_IMODE(member.mode) for member in tar} == {0o600}
    assert modes(tmp_path / "new") == {0o600}
    for directory in ("backup", "new"):
        assert stat.S_IMODE((tmp_path / directory).stat().st_mode) == 0o700


def test_the_configuration_is_kept_and_not_put_in_force(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    config = tmp_path / "hearth.toml"
    config.write_text("[server]\nport = 1\n")
    hearth("backup", tmp_path / "backup", "--data", company, "--config", config)
    assert (tmp_path / "backup" / "hearth.toml").read_text() == config.read_text()
    outcome = hearth("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert f"hearth.toml of that time is in {tmp_path / 'backup'}" in outcome.out
    assert not list((tmp_path / "new").glob("*.toml"))


def test_a_backup_replaces_nothing(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    (tmp_path / "taken.tar").touch()
    (tmp_path / "empty").mkdir()
    for target in ("taken", "taken.tar"):
        outcome = hearth("backup", tmp_path / target, "--data", company)
        assert (outcome.code, "exists already" in outcome.err) == (17, True)
    assert hearth("backup", tmp_path / "empty", "--data", company).code == 0
    assert "data directory itself" in hearth("backup", company / "backup", "--data", company).err
    assert "no directory" in hearth("backup", tmp_path / "not" / "there", "--data", company).err
    assert "nothing to back up" in hearth("backup", tmp_path / "new", "--data", tmp_path / "nowhere").err
    assert not (tmp_path / "new").exists()


def test_a_damaged_database_is_said_and_nothing_is_left(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(company / "accounts.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray((company / "accounts.sqlite").read_bytes())
    content[4096:8192] = b"\xff" * 4096
    (company / "accounts.sqlite").write_bytes(content)
    before = names(tmp_path)
    outcome = hearth("backup", tmp_path / "backup", "--data", company)
    assert outcome.code == 17, outcome.out
    assert "accounts.sqlite" in outcome.err
    assert "damaged" in outcome.err
    assert names(tmp_path) == before


@pytest.mark.parametrize("name", ["backup", "backup.tar.gz"])
@pytest.mark.parametrize("limit", [1_000, 20_000, 70_000])
def test_a_full_disk_leaves_no_half_backup(company: Path, tmp_path: Path, name: str, limit: int) -> None:
    (company / "downloads" / "large.vsix").write_bytes(os.urandom(200_000))
    place = tmp_path / "backups"
    place.mkdir()

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [*HEARTH, "backup", place / name, "--data", company, "--json"],
        preexec_fn=little_room, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 8, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "disk-full"
    assert names(place) == []


def damage_file(backup: Path) -> None:
    with (backup / SALT_KEY).open("r+b") as file:
        file.write(b"x")


def remove_file(backup: Path) -> None:
    (backup / SALT_KEY).unlink()


def lengthen_file(backup: Path) -> None:
    with (backup / SALT_KEY).open("ab") as file:
        file.write(b"x")


def no_manifest(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def no_json(backup: Path) -> None:
    (backup / "manifest.json").write_text("{")


def climbing_path(backup: Path) -> None:
    change_manifest(backup, files={"../outside": [1, "0" * 64]})


def absolute_path(backup: Path) -> None:
    change_manifest(backup, files={"/etc/outside": [1, "0" * 64]})


def change_manifest(backup: Path, **fields: object) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps(manifest | fields))


def newer_tables(backup: Path) -> None:
    change_manifest(backup, schemas={"accounts.sqlite": 99})


def newer_file(backup: Path) -> None:
    change_manifest(backup, files={"of-the-future.sqlite": [1, "0" * 64]})


def newer_form(backup: Path) -> None:
    change_manifest(backup, format=99)


@pytest.mark.parametrize(("spoil", "refusal"), [
    (damage_file, (17, "is not what was backed up")),
    (lengthen_file, (17, "is not what was backed up")),
    (remove_file, (17, "lacks cache_salt.key")),
    (no_manifest, (17, "has no manifest.json")),
    (no_json, (17, "is not a backup of Hearth")),
    (climbing_path, (17, "is not a backup of Hearth")),
    (absolute_path, (17, "is not a backup of Hearth")),
    (newer_tables, (5, "accounts.sqlite of version 99")),
    (newer_file, (5, "of-the-future.sqlite")),
    (newer_form, (17, "in a form that this Hearth does not know")),
])  # fmt: skip
def test_what_cannot_be_restored_is_refused_and_changes_nothing(
    hearth: Hearth, company: Path, tmp_path: Path, spoil: Callable[[Path], None], refusal: tuple[int, str]
) -> None:
    hearth("backup", tmp_path / "backup", "--data", company)
    spoil(tmp_path / "backup")
    new = tmp_path / "new"
    new.mkdir()
    outcome = hearth("restore", tmp_path / "backup", "--data", new, "--replace")
    code, says = refusal
    assert (outcome.code, says in outcome.err) == (code, True), outcome.err
    assert set(names(new)) <= {"worker.lock", "worker.pid", "dispatcher.lock"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write to what belongs to others")
def test_root_restores_nothing_that_the_user_of_the_server_could_not_open(
    hearth: Hearth, company: Path, tmp_path: Path
) -> None:
    assert hearth("backup", tmp_path / "backup", "--data", company).code == 0
    new = tmp_path / "new"
    new.mkdir()
    os.chown(new, pwd.getpwnam("nobody").pw_uid, -1)
    refused = hearth("restore", tmp_path / "backup", "--data", new)
    assert refused.code != 0
    assert f"{new} belongs to nobody" in refused.err
    assert "sudo -u nobody hearth restore" in refused.err
    assert names(new) == []


def test_an_archive_that_was_cut_short_is_refused(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar.gz"
    hearth("backup", backup, "--data", company)
    whole = backup.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 20):
        backup.write_bytes(whole[:length])
        outcome = hearth("restore", backup, "--data", tmp_path / "new")
        assert outcome.code == 17, (length, outcome.err)


def test_only_files_of_the_manifest_are_taken_from_an_archive(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    hearth("backup", backup, "--data", company)
    with tarfile.open(backup, "a") as tar:
        for name in ("../climbed", "accounts.sqlite-wal"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, BytesIO(b"bad"))
        link = tarfile.TarInfo("downloads/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert hearth("restore", backup, "--data", tmp_path / "new").code == 0
    assert not (tmp_path / "climbed").exists()
    assert names(tmp_path / "new" / "downloads") == ["hearth.vsix"]
    assert everything(tmp_path / "new") == everything(company)


def test_what_is_there_is_set_aside_when_asked_and_never_else(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    hearth("backup", tmp_path / "backup", "--data", company)
    before = everything(company)
    with Accounts(company) as accounts:
        accounts.add_user("ben")
    outcome = hearth("restore", tmp_path / "backup", "--data", company)
    assert (outcome.code, "is not empty" in outcome.err) == (17, True)
    with Accounts(company) as accounts:
        assert set(accounts.directory().users) == {"ana", "ben"}
    said = hearth("restore", tmp_path / "backup", "--data", company, "--replace", "--json").json()
    assert everything(company) == before
    with Accounts(Path(said["replaced"])) as accounts:
        assert set(accounts.directory().users) == {"ana", "ben"}


def test_a_restore_that_fails_in_the_middle_leaves_everything_as_it_was(
    hearth: Hearth, company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearth("backup", tmp_path / "backup", "--data", company)
    before = everything(company)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "queue.sqlite" and ".restore-" in str(self):
            raise OSError(5, "Input/output error", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert hearth("restore", tmp_path / "backup", "--data", company, "--replace").code == 5
    monkeypatch.undo()
    assert everything(company) == before
    assert list(company.glob("replaced-*")) == []


def test_a_restore_that_was_killed_in_the_middle_is_run_again(hearth: Hearth, company: Path, tmp_path: Path) -> None:
    hearth("backup", tmp_path / "backup", "--data", company)
    new = tmp_path / "new"
    code = (
        "import os, signal, sys\n"
        "from server.cli import main\n"
        "from pathlib import Path\n"
        "rename = Path.rename\n"
        "kill = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.rename = lambda path, target: kill() if path.name == 'queue.sqlite' else rename(path, target)\n"
        f"sys.argv = ['hearth', 'restore', {str(tmp_path / 'backup')!r}, '--data', {str(new)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (new / "accounts.sqlite").exists()
    assert not (new / "queue.sqlite").exists()
    assert hearth("restore", tmp_path / "backup", "--data", new, "--replace").code == 0
    assert everything(new) == everything(company)
    assert list(new.glob(".restore-*")) == []


@FORMS
def test_a_killed_backup_leaves_nothing_under_its_name_and_the_next_one_clears_up(
    hearth: Hearth, company: Path, tmp_path: Path, name: str
) -> None:
    code = (
        "import os, signal, sys\n"
        "from server.cli import main\n"
        "os.replace = None\n"
        "from pathlib import Path\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"sys.argv = ['hearth', 'backup', {str(tmp_path / name)!r}, '--data', {str(company)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / name).exists()
    [left] = tmp_path.glob(f".{name}.*")
    others = [tmp_path / f".{name}.mine", tmp_path / f".{name}.abcdefgh", tmp_path / ".other.abcdefgh"]
    for other in others:
        (other / "notes").mkdir(parents=True)
    # One that is still being written stays.
    with aside(tmp_path / name) as (living, removed):
        assert removed == (left,)
        outcome = hearth("backup", tmp_path / name, "--data", company)
        assert outcome.code == 0
        assert living.is_dir()
        assert "was removed" not in outcome.err
    left.mkdir()
    outcome = hearth("backup", tmp_path / f"2{name}", "--data", company)
    assert left.is_dir()
    shutil.move(tmp_path / name, tmp_path / "moved")
    outcome = hearth("backup", tmp_path / name, "--data", company)
    assert f"{left}, which a backup left that was killed, was removed" in outcome.err
    assert sorted(tmp_path.glob(f".{name}.*")) == sorted(others[:2])
    assert all((other / "notes").is_dir() for other in others)
