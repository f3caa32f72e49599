"""The project as a whole: lock files, documents and the promises made in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def locked(name: str) -> dict[str, str]:
    """Return the distributions of a lock file with their versions."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(("name", "wanted", "unwanted"), [
    ("base", "faiss-cpu", "faiss-gpu"),
    ("dev", "faiss-cpu", "faiss-gpu"),
    ("gpu", "faiss-gpu", "faiss-cpu"),
])  # fmt: skip
def test_each_lock_file_has_exactly_one_faiss(name: str, wanted: str, unwanted: str) -> None:
    distributions = locked(name)
    assert wanted in distributions
    assert unwanted not in distributions


def test_default_install_brings_no_torch_and_no_cuda() -> None:
    assert not [name for name in locked("base") if name in {"torch", "vllm"} or name.startswith("nvidia-")]


def test_default_install_stays_small() -> None:
    # Unpacked it is a sixth of the rest, and only charts need it.
    assert "plotly" not in locked("base")
    assert "plotly" in locked("dev")


def test_lock_files_satisfy_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in project["dependencies"]}
    assert names <= set(locked("base"))


def test_lock_files_name_no_index_host() -> None:
    for path in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in path.read_text(), path


def test_every_architecture_invariant_names_what_holds_it() -> None:
    invariants = re.findall(r"\*\*Architecture Invariant:\*\*(.*?)(?=\n\n|\Z)", ARCHITECTURE, re.DOTALL)
    assert len(invariants) >= 10
    for text in invariants:
        assert re.search(r"\((?:contract|test)s?: ", text), text


def test_contracts_and_tests_named_in_the_architecture_exist() -> None:
    contracts = {
        contract["id"]
        for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    }
    for name in re.findall(r"contract[s]?: `([^`]+)`", ARCHITECTURE):
        assert name in contracts
    for reference in re.findall(r"test[s]?: `([^`]+)`", ARCHITECTURE):
        path, _, function = reference.partition("::")
        assert (ROOT / path).is_file(), reference
        if function:
            assert f"def {function}(" in (ROOT / path).read_text(), reference


def test_only_the_gateway_serves_http() -> None:
    # Import contracts see distributions, and aiohttp's client has its place elsewhere.
    for file in [*(ROOT / "server").rglob("*.py"), *(ROOT / "indexer").rglob("*.py")]:
        if not file.is_relative_to(ROOT / "server" / "gateway"):
            assert not re.search(r"from aiohttp import .*\bweb\b|aiohttp\.web\b", file.read_text()), file


def test_links_between_documents_resolve() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_package_of_the_wheel_is_importable_and_typed() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    assert packages == ["server", "indexer", "benchmarks"]
    for package in packages:
        assert (ROOT / package / "py.typed").exists()


def test_make_targets_describe_themselves() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    for target in phony.group(1).split():
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


def test_what_the_security_checks_may_overlook_has_its_reason() -> None:
    for file in [*(ROOT / "server").rglob("*.py"), *(ROOT / "indexer").rglob("*.py")]:
        for line in file.read_text().splitlines():
            _, marker, comment = line.partition("  # ")
            if "# nosec" in line:
                reason = re.sub(r"noqa: \S+|# nosec B\d{3}$|[-# ]", "", comment)
                assert marker, line
                assert re.search(r"  # nosec B\d{3}$", line), line
                assert len(reason) > 5, line
