"""What may be registered: URLs, addresses, paths and credentials."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexer.config import IndexConfig, RepositoriesConfig
from indexer.credentials import read_secret
from indexer.diff.access import check_url, remote_environment
from indexer.errors import CredentialMissing, RepositoryUnavailable, SourceRefused
from indexer.queue import Origin, registration
from indexer.queue import Repository as Registered
from indexer.types import IndexJob, RemoteAccess
from indexer.worker import run_job
from tests.conftest import Repository

MakeRepository = Callable[..., Repository]

SECRET = "s3cr3t-t0ken"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "ext::sh -c id",
        "ext::sh",
        "git://example.com/a",
        "http://example.com/a",
        "ftp://example.com/a",
        "fd::17",
        "--upload-pack=id",
        "-oProxyCommand=id:x",
        "ssh://-oProxyCommand=id/x",
        "ssh://-l@example.com/x",
        "https://user:word@example.com/a",
        "https://token@example.com/a",
        "https://example.com/a?x=1",
        "https://example.com/a#b",
        "https://example.com:port/a",
        "https://exa mple.com/a",
        "https://example.com/a\nb",
        "https:///a",
        "https://example.com/",
        "https://[::1/a",
        "",
    ],
)
def test_urls_that_are_not_plainly_https_or_ssh_are_refused(url: str) -> None:
    with pytest.raises(SourceRefused):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/a/b.git",
        "https://git.example.com:8443/a",
        "ssh://git@git.example.com:2222/a",
        "git@git.example.com:a/b.git",
        "git.example.com:a",
    ],
)
def test_urls_of_forges_are_allowed(url: str) -> None:
    check_url(url)


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def look_up(_host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_that_are_not_public_are_refused_unless_listed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    # A public address beside it does not help: whoever answers the name chooses which is used.
    named(monkeypatch, "8.8.8.8", address)
    with pytest.raises(SourceRefused, match="internal address") as caught:
        remote_environment("https://git.example.com/a", RemoteAccess())
    assert "internal_hosts" in caught.value.advice
    remote_environment("https://git.example.com/a", RemoteAccess(internal=("git.example.com",)))
    with pytest.raises(SourceRefused):
        remote_environment("https://git.example.com/a", RemoteAccess(internal=("example.com", "198.51.100.0/24")))


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "017700000001", "127.1", "0", "localhost", "LOCALHOST.", "[::1]", "[::ffff:7f00:1]"],
)
def test_no_spelling_of_this_machine_is_reached(host: str) -> None:
    with pytest.raises(SourceRefused):
        remote_environment(f"https://{host}/a", RemoteAccess())


def test_networks_can_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "10.1.2.3")
    remote_environment("https://git.example.com/a", RemoteAccess(internal=("10.1.0.0/16",)))


def test_git_connects_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "8.8.4.4")
    https = remote_environment("https://git.example.com/a", RemoteAccess())
    assert "git.example.com:443:8.8.4.4" in https.values()
    assert "http.followRedirects" in https.values()
    ssh = remote_environment("git@git.example.com:a", RemoteAccess())
    assert "HostName=8.8.4.4" in ssh["GIT_SSH_COMMAND"]
    assert "HostKeyAlias=git.example.com" in ssh["GIT_SSH_COMMAND"]


def test_secrets_are_given_by_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for reference in (SECRET, "env:", "env:A B", "file:relative", "vault:x", "env:x\ny"):
        with pytest.raises(SourceRefused) as caught:
            read_secret(reference)
        assert SECRET not in str(caught.value)
    with pytest.raises(CredentialMissing, match="HEARTH_NOT_SET"):
        read_secret("env:HEARTH_NOT_SET")
    with pytest.raises(CredentialMissing, match="cannot be read"):
        read_secret(f"file:{tmp_path / 'absent'}")
    with pytest.raises(CredentialMissing, match="cannot be read"):
        read_secret(f"file:{tmp_path}/a\0b")
    (tmp_path / "large").write_text("x" * 16_385)
    with pytest.raises(CredentialMissing, match="larger than any secret"):
        read_secret(f"file:{tmp_path / 'large'}")
    monkeypatch.setenv("A_TOKEN", f"{SECRET}\n")
    assert read_secret("env:A_TOKEN") == SECRET


def test_paths_are_held_to_what_is_allowed(make_repository: MakeRepository, tmp_path: Path) -> None:
    inside = make_repository({"a.py": "a = 1\n"}, "allowed/shop").path
    outside = make_repository({"a.py": "a = 1\n"}, "elsewhere").path
    (tmp_path / "allowed" / "link").symlink_to(outside)
    (tmp_path / "allowed" / "disguised").mkdir()
    (tmp_path / "allowed" / "disguised" / ".git").write_text(f"gitdir: {outside / '.git'}\n")
    config = RepositoriesConfig(allowed_paths=(str(tmp_path / "allowed"),))
    assert registered_by_page(inside, config).name == "shop"
    for path in (outside, tmp_path / "allowed" / "link", tmp_path / "allowed" / ".." / "elsewhere", Path("relative")):
        with pytest.raises(SourceRefused, match="not below a directory"):
            registered_by_page(path, config)
    with pytest.raises(SourceRefused, match="not below a directory"):
        registered_by_page(tmp_path / "allowed" / "disguised", config)
    with pytest.raises(SourceRefused):
        registered_by_page(inside, RepositoriesConfig())


def registered_by_page(path: Path, config: RepositoriesConfig) -> Registered:
    return registration.make_repository(str(path), config, origin=Origin.PAGE)


@contextlib.contextmanager
def serving(directory: Path, certificate: Path, seen: list[str | None], moved_to: str = "") -> Iterator[int]:
    """Serve a directory over HTTPS to who knows the secret."""
    expected = "Basic " + base64.b64encode(f"oauth2:{SECRET}".encode()).decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]  # as the base class

        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            if moved_to:
                self.send_response(302)
                self.send_header("Location", moved_to + self.path)
                self.end_headers()
            elif self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for the loopback that git trusts, with its key."""
    path = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(tmp_path / "public.pem")),
        ],
        check=True,
        capture_output=True,
    )
    public = (tmp_path / "public.pem").read_text()
    path.write_text(path.read_text() + public)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "public.pem"))
    return path


@pytest.fixture
def served(make_repository: MakeRepository, tmp_path: Path) -> Path:
    """A directory with a bare repository that a plain file server can serve."""
    clone = make_repository({"a.py": "def served_function():\n    return 1\n"}, "work")
    root = tmp_path / "served"
    root.mkdir()
    clone.git("clone", "--quiet", "--bare", str(clone.path), str(root / "shop.git"))
    Repository(root / "shop.git").git("update-server-info")
    return root


def job(port: int, credential: str = "env:A_TOKEN", internal: tuple[str, ...] = ("localhost",)) -> IndexJob:
    url = f"https://localhost:{port}/shop.git"
    return IndexJob(url, "shop", follow=(), access=RemoteAccess(credential, internal))


def test_a_secret_reaches_git_and_nothing_that_stays(
    served: Path, certificate: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    seen: list[str | None] = []
    with serving(served, certificate, seen) as port:
        for _ in range(2):  # Cloned, then fetched.
            [report] = run_job(job(port), data, IndexConfig(), lambda _progress: None)
        assert report.files == 1
        monkeypatch.setenv("A_TOKEN", "wrong")
        with pytest.raises(RepositoryUnavailable) as caught:
            run_job(job(port), data, IndexConfig(), lambda _progress: None)
        assert "wrong" not in str(caught.value)
    for path in data.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_redirects_are_not_followed(
    served: Path, certificate: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    inner: list[str | None] = []
    with (
        serving(served, certificate, inner) as port,
        serving(served, certificate, [], f"https://localhost:{port}") as outer,
        pytest.raises(RepositoryUnavailable),
    ):
        run_job(job(outer), data, IndexConfig(), lambda _progress: None)
    assert inner == []


def test_an_internal_server_is_not_even_connected_to(
    served: Path, certificate: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    seen: list[str | None] = []
    with serving(served, certificate, seen) as port, pytest.raises(SourceRefused, match="internal address"):
        run_job(job(port, internal=()), data, IndexConfig(), lambda _progress: None)
    assert seen == []
