"""Documents that an editor is asked to show, as files."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from server.lsp.document_files import DocumentFiles
from server.lsp.documents import file_path
from tests.patience import WAIT_SECONDS

PUBLISH_AND_DIE = """
import os, signal
from server.lsp.document_files import DocumentFiles
print(DocumentFiles().publish("# Left"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made, also by processes that the test starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def publish(documents: DocumentFiles, text: str) -> Path:
    path = file_path(documents.publish(text))
    assert path is not None
    return path


def test_documents_go_with_their_session_and_only_the_newest_are_kept(temporary: Path) -> None:
    documents = DocumentFiles()
    written = [publish(documents, f"# Number {number}") for number in range(21)]
    assert [path.exists() for path in written] == [False] + [True] * 20
    assert written[20].read_text() == "# Number 20"
    assert written[20].parent.stat().st_mode & 0o077 == 0
    documents.close()
    documents.close()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_session_left_goes_with_the_next_and_nothing_else_does(temporary: Path) -> None:
    other = temporary / "other"
    other.mkdir()
    (other / "kept.md").touch()
    (temporary / "hearth-documents-link").symlink_to(other)
    living = DocumentFiles()
    read = publish(living, "# Being read")
    command = [sys.executable, "-c", PUBLISH_AND_DIE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = file_path(done.stdout.strip())
    assert left is not None
    assert left.read_text() == "# Left"
    documents = DocumentFiles()
    written = publish(documents, "# New")
    assert not left.parent.exists()
    assert written.exists()
    assert read.exists()
    assert (other / "kept.md").exists()
    documents.close()
    living.close()
