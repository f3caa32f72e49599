"""A certificate that cannot be used takes the place of none that can."""

from __future__ import annotations

import datetime
import logging
import signal
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from server.config import TlsConfig
from server.gateway import metrics
from server.gateway.tls import Certificate
from tests.server.gateway.team import issue, team_server, until_logged

DAY = datetime.timedelta(days=1)


class Files:
    """A certificate and its key, as they are on disk."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        self.config = TlsConfig(str(self.certificate), str(self.key))

    def issue(self, **validity: Any) -> None:
        issue(self.authority, self.certificate, self.key, **validity)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def expires() -> float:
    [sample] = next(iter(metrics.CERTIFICATE_EXPIRES.collect())).samples
    return sample.value


def test_what_is_not_valid_now_is_not_taken_and_said_once(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.issue(not_after=now() + 30 * DAY)
    certificate = Certificate(files.config)
    end = expires()
    assert end == pytest.approx((now() + 30 * DAY).timestamp(), abs=60)
    for wrong, said in (
        ({"not_after": now() - DAY}, "certificate has expired"),
        ({"not_before": now() + DAY, "not_after": now() + 9 * DAY}, "certificate is not yet valid"),
    ):
        files.issue(**wrong)
        assert not certificate.reload()
        assert not certificate.reload()
        assert caplog.text.count(said) == 1
        assert expires() == end
    other = files.key.read_bytes()
    files.issue()
    files.key.write_bytes(other)
    assert not certificate.reload()
    files.certificate.write_text("this is none")
    assert not certificate.reload()
    files.certificate.unlink()
    assert not certificate.reload()
    assert expires() == end
    files.issue(not_after=now() + 40 * DAY)
    assert certificate.reload()
    assert expires() > end


def test_the_end_of_what_is_in_use_is_said_before_it_comes(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.issue(not_after=now() + DAY)
    Certificate(files.config)
    assert "expires within two weeks" in caplog.text


def test_a_server_starts_with_an_expired_certificate_and_says_so(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.issue(not_after=now() - DAY)
    Certificate(files.config)
    assert caplog.records[0].levelno == logging.ERROR
    assert "no client will trust it" in caplog.text
    assert expires() == 0.0


async def test_an_expired_certificate_is_not_taken_into_use_by_a_server(files: Files, data: Path) -> None:
    files.issue()
    settings = f'[server.tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
    async with team_server(data, settings) as team:
        address = ("127.0.0.1", urlsplit(team.url).port or 0)
        before = ssl.get_server_certificate(address)
        files.issue(not_after=now() - DAY)
        team.process.send_signal(signal.SIGHUP)
        await until_logged(team, "the one before stays in use: the certificate .* has expired")
        assert ssl.get_server_certificate(address) == before
        files.issue()
        team.process.send_signal(signal.SIGHUP)
        await until_logged(team, "the certificate was read again")
        assert ssl.get_server_certificate(address) != before
