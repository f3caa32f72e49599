"""What Hearth reads out of a git repository, of every kind there is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.diff import MISSING_SIZE, GitSource, IgnoreRules, is_url, line_history, open_source, public_url
from indexer.errors import NotARepository, RefNotFound, RepositoryError, RepositoryUnavailable
from tests.conftest import Repository

MakeRepository = Callable[..., Repository]


def read(source: GitSource, ref: str) -> dict[str, bytes | None]:
    entries = [entry for entry in source.tree(source.resolve(ref)) if entry.mode != 0o160000]
    contents = dict(source.read_blobs(dict.fromkeys(entry.blob for entry in entries)))
    return {entry.path: contents[entry.blob] for entry in entries}


def test_reads_files_of_a_branch_without_a_work_tree(make_repository: MakeRepository, tmp_path: Path) -> None:
    repository = make_repository({"a.py": "x = 1\n", "lib/b.py": "y = 2\r\n"})
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(tmp_path / "bare.git"))
    source = GitSource.open(tmp_path / "bare.git")
    assert source.bare
    assert source.name == "bare"
    assert source.default_ref() == "main"
    assert read(source, "main") == {"a.py": b"x = 1\n", "lib/b.py": b"y = 2\r\n"}


def test_refs_are_branches_tags_and_commits(make_repository: MakeRepository) -> None:
    repository = make_repository({"a": "1"})
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "light")
    repository.git("tag", "--annotate", "--message", "release", "heavy")
    repository.git("branch", "feature/x")
    second = repository.commit({"a": "2"})
    source = GitSource.open(repository.path)
    for ref in ("light", "heavy", "feature/x", first, first[:8], "refs/tags/heavy"):
        assert source.resolve(ref) == first, ref
    assert source.resolve("main") == source.resolve("HEAD") == second


def test_default_ref_of_a_detached_head_is_its_commit(make_repository: MakeRepository) -> None:
    repository = make_repository({"a": "1"})
    commit = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "--detach")
    assert GitSource.open(repository.path).default_ref() == commit


def test_a_directory_inside_and_a_linked_work_tree_are_the_same_repository(
    make_repository: MakeRepository, tmp_path: Path
) -> None:
    repository = make_repository({"lib/a": "1"})
    repository.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"))
    main = GitSource.open(repository.path / "lib")
    linked = GitSource.open(tmp_path / "linked")
    assert main.root == repository.path
    assert linked.common_dir == main.common_dir
    assert linked.default_ref() == "side"


def test_not_a_repository_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="not a git repository"):
        GitSource.open(tmp_path)
    with pytest.raises(NotARepository, match="does not exist"):
        GitSource.open(tmp_path / "nothing")


def test_an_empty_repository_says_that_it_has_no_commits(make_repository: MakeRepository) -> None:
    source = GitSource.open(make_repository().path)
    with pytest.raises(RepositoryError, match="no commits yet"):
        source.default_ref()


def test_an_unknown_ref_names_the_branches(make_repository: MakeRepository) -> None:
    source = GitSource.open(make_repository({"a": "1"}).path)
    with pytest.raises(RefNotFound) as caught:
        source.resolve("relase")
    assert "relase" in caught.value.message
    assert "main" in caught.value.advice


@pytest.mark.parametrize("ref", ["--upload-pack=touch x", "-h", "a\nb", "a\0b", "", "HEAD~99", "nope^{tree}"])
def test_strange_refs_are_not_found_and_never_options(make_repository: MakeRepository, ref: str) -> None:
    source = GitSource.open(make_repository({"a": "1"}).path)
    with pytest.raises(RefNotFound):
        source.resolve(ref)


def test_file_names_that_are_not_utf8_become_valid_text(make_repository: MakeRepository) -> None:
    repository = make_repository()
    (Path(os.fsdecode(bytes(repository.path) + b"/caf\xe9.py"))).write_text("x = 1\n")
    repository.commit({"tab\tnew\nline.py": "y = 2\n", "日本.py": "z = 3\n"})
    paths = set(read(GitSource.open(repository.path), "main"))
    assert paths == {"caf\\xe9.py", "tab\tnew\nline.py", "日本.py"}
    for path in paths:
        path.encode()


def test_sha256_repositories_are_read(make_repository: MakeRepository, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "sha256")
    repository.path.mkdir()
    repository.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    commit = repository.commit({"a.py": "x = 1\n"})
    source = GitSource.open(repository.path)
    assert len(commit) == 64
    assert source.resolve(commit) == commit
    assert read(source, "main") == {"a.py": b"x = 1\n"}


def test_shallow_clones_are_read(make_repository: MakeRepository, tmp_path: Path) -> None:
    repository = make_repository({"a": "1"})
    repository.commit({"a": "2"})
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.path}", str(tmp_path / "shallow"))
    source = GitSource.open(tmp_path / "shallow")
    assert read(source, "main") == {"a": b"2"}
    assert source.commits_behind("0" * 40, "main") == -1


def test_objects_that_a_partial_clone_lacks_are_missing_and_not_fetched(
    make_repository: MakeRepository, tmp_path: Path
) -> None:
    repository = make_repository({"here.txt": "old", "b.txt": "b"})
    repository.git("config", "uploadpack.allowFilter", "true")
    target = tmp_path / "partial"
    repository.git("clone", "--quiet", "--bare", "--filter=blob:none", f"file://{repository.path}", str(target))
    source = GitSource.open(target)
    assert source.partial
    assert {entry.path: entry.size for entry in source.tree(source.resolve("main"))} == {
        "here.txt": MISSING_SIZE,
        "b.txt": MISSING_SIZE,
    }
    listing = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch-check"],
        cwd=target,
        capture_output=True,
        check=True,
        text=True,
    )
    assert " blob " not in listing.stdout


def test_submodules_and_symbolic_links_are_listed_by_mode(make_repository: MakeRepository) -> None:
    repository = make_repository({"a": "1"})
    (repository.path / "link").symlink_to("a")
    repository.git("add", "--all")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    repository.git("commit", "--quiet", "--message", "link")
    source = GitSource.open(repository.path)
    modes = {entry.path: entry.mode for entry in source.tree(source.resolve("main"))}
    assert modes == {"a": 0o100644, "link": 0o120000, "vendor/lib": 0o160000}


def test_programs_that_a_repository_configures_never_run(make_repository: MakeRepository, tmp_path: Path) -> None:
    repository = make_repository({"a.txt": "1\n", ".gitattributes": "*.txt diff=evil\n"})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.evil.textconv", "diff.evil.command"):
        repository.git("config", key, str(trap))
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "gpg.program", str(trap))
    source = GitSource.open(repository.path)
    commit = source.resolve(source.default_ref())
    assert read(source, "main")["a.txt"] == b"1\n"
    assert line_history(source, commit, "a.txt", 1, 1, limit=3, seconds=10)
    assert source.commits_behind(commit, "main") == 0
    assert not (tmp_path / "sprung").exists()


def test_variables_of_a_surrounding_git_hook_do_not_redirect(
    make_repository: MakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = make_repository({"a": "wanted"}, "wanted")
    other = make_repository({"a": "other"}, "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.path / ".git" / "objects"))
    assert read(GitSource.open(wanted.path), "main") == {"a": b"wanted"}


def test_damaged_objects_end_in_an_error_with_advice(make_repository: MakeRepository) -> None:
    repository = make_repository({"a": "1"})
    commit = repository.git("rev-parse", "HEAD")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    path = repository.path / ".git" / "objects" / tree[:2] / tree[2:]
    path.chmod(0o644)
    path.write_bytes(b"rubbish")
    with pytest.raises(RepositoryUnavailable) as caught:
        list(GitSource.open(repository.path).tree(commit))
    assert caught.value.message


def test_history_follows_the_lines_not_the_file(make_repository: MakeRepository) -> None:
    repository = make_repository({"a.py": "one\ntwo\nthree\n"})
    repository.commit({"a.py": "one\nTWO\nthree\n"}, "shout the second")
    repository.commit({"a.py": "one\nTWO\nthree!\n"}, "stress the third")
    source = GitSource.open(repository.path)
    head = source.resolve("main")
    assert [entry.subject for entry in line_history(source, head, "a.py", 2, 2, limit=5, seconds=10)] == [
        "shout the second",
        "first",
    ]
    assert line_history(source, head, "a.py", 1, 1, limit=1, seconds=10)[0].author == "Test"
    assert line_history(source, head, "gone.py", 1, 1, limit=5, seconds=10) == ()


def test_commits_behind_counts_and_notices_a_force_push(make_repository: MakeRepository) -> None:
    repository = make_repository({"a": "1"})
    first = repository.git("rev-parse", "HEAD")
    second = repository.commit({"a": "2"})
    source = GitSource.open(repository.path)
    assert source.commits_behind(first, "main") == 1
    assert source.commits_behind(second, "main") == 0
    repository.git("reset", "--quiet", "--hard", first)
    assert source.commits_behind(second, "main") == 1


def test_a_url_is_mirrored_and_follows_pushes_deletions_and_the_default_branch(
    make_repository: MakeRepository, tmp_path: Path
) -> None:
    repository = make_repository({"a": "1"})
    repository.git("branch", "old")
    url = f"file://{repository.path}"
    mirrors = tmp_path / "mirrors"
    source = open_source(url, mirrors)
    assert source.bare
    assert source.branches() == ["main", "old"]
    repository.commit({"a": "2"})
    repository.git("branch", "--delete", "--force", "old")
    repository.git("branch", "--move", "main", "trunk")
    again = open_source(url, mirrors)
    assert again.branches() == ["trunk"]
    assert again.default_ref() == "trunk"
    assert read(again, "trunk") == {"a": b"2"}


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch sprung'", "fd::17", "ftp://host/x", "--upload-pack=x://y", "ssh://-oProxyCommand=x/y"]
)
def test_urls_that_could_start_programs_are_refused(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RepositoryError):
        open_source(url, tmp_path / "mirrors")
    assert not list(tmp_path.rglob("sprung"))


def test_an_unreachable_url_says_so_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(RepositoryUnavailable) as caught:
        open_source("https://user:secret@127.0.0.1:9/x.git", tmp_path / "mirrors")
    assert "127.0.0.1:9/x.git" in caught.value.message
    assert "secret" not in str(caught.value)
    assert "Failed to connect" in caught.value.message
    assert not any((tmp_path / "mirrors").iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/x.git", True), ("ssh://git@h/x", True), ("git@h:team/x.git", True), ("file:///x", True),
        ("ext::sh", True), ("/srv/x", False), ("x", False), ("./a:b", False), ("C:/", False),
    ],
)  # fmt: skip
def test_urls_are_told_from_paths(text: str, *, expected: bool) -> None:
    assert is_url(text) is expected


def test_passwords_are_never_part_of_a_stored_url() -> None:
    assert public_url("https://me:token@host:8443/a/b.git/") == "https://host:8443/a/b.git"
    assert public_url("git@host:a/b.git") == "git@host:a/b.git"


def test_hearthignore_deeper_in_the_tree_has_the_last_word() -> None:
    rules = IgnoreRules.from_files(
        {
            ".hearthignore": "*.csv\n/build/\nsecret/**\n",
            "data/.hearthignore": "!keep.csv\nlocal.txt\n",
            "odd/.hearthignore": "\\\n[z-a\nfine.txt\n",
        }
    )
    expected = {
        "a.csv": ".hearthignore", "data/a.csv": ".hearthignore", "data/keep.csv": "", "build/x/y.py": ".hearthignore",
        "lib/build/x.py": "", "secret/a/b": ".hearthignore", "data/local.txt": "data/.hearthignore", "local.txt": "",
        "odd/fine.txt": "odd/.hearthignore", "src/a.py": "",
    }  # fmt: skip
    assert {path: rules.ignored_by(path) for path in expected} == expected


@pytest.mark.parametrize("url", ["https://[::1/a", "https://me:secret@[::1/a", "ssh://me@[fe80::1/a"])
def test_a_url_that_is_none_is_an_error_that_keeps_its_password(url: str, tmp_path: Path) -> None:
    assert "secret" not in public_url(url)
    with pytest.raises(RepositoryError) as caught:
        open_source(url, tmp_path / "mirrors")
    assert "secret" not in f"{caught.value.message} {caught.value.advice}"
