"""Every error the server raises on purpose.

::

    ServerError                  exit code, message and advice
    ├── EngineError              an engine could not answer
    │   ├── EngineUnavailable    it cannot be reached, or says it is not ready
    │   ├── EngineRefused        it answered with an error that trying again will not mend (400, 401, ...)
    │   ├── EngineBusy           it asks to come back later (429, 503)
    │   ├── EngineTimeout        a deadline of ours ran out
    │   └── EngineProtocolError  what it sent is not the protocol
    ├── InvalidPosition          a FILE:LINE:COL that does not exist
    ├── InvalidCaseFile          a line of a --cases file is not usable
    ├── AccountsError            no such user, group or token, or the file of accounts cannot be used
    ├── HistoryError             what was measured over time cannot be read or written
    ├── ProviderUnavailable      the provider at which people sign in cannot be asked
    ├── IdentityRefused          what it says of somebody is not believed, or they are not let in
    ├── SignInFailed             an editor was not signed in to the team's server
    ├── RequestRefused           what a user of the team server asked for is not done for them
    │   ├── NotPermitted         it is not theirs to ask for
    │   └── LimitReached         they asked for too much lately
    ├── UnknownRun               there is no benchmark run of that id
    ├── RunUnreadable            the file of a benchmark run is damaged, or of something else
    ├── RunRefused               a benchmark run is asked for with something that it cannot be made with
    └── ConfigError              (indexer.errors) hearth.toml: names the file, line and key

A suggestion that is not made (unsure, cancelled, stale) is not an error.
"""

from __future__ import annotations

import os
import ssl

from indexer.errors import ConfigError, IndexerError

__all__ = [
    "AccountsError",
    "ConfigError",
    "EngineBusy",
    "EngineError",
    "EngineProtocolError",
    "EngineRefused",
    "EngineTimeout",
    "EngineUnavailable",
    "HistoryError",
    "IdentityRefused",
    "InvalidCaseFile",
    "InvalidPosition",
    "LimitReached",
    "NotPermitted",
    "ProviderUnavailable",
    "RequestRefused",
    "RunRefused",
    "RunUnreadable",
    "ServerError",
    "SignInFailed",
    "UnknownRun",
    "connection_problem",
]


class ServerError(IndexerError):
    """Base of the server's own errors; carries a message, advice and an exit code like the indexer's."""

    code = "server-error"


class EngineError(ServerError):
    """An engine could not answer."""

    exit_code = 10
    code = "engine"


class EngineUnavailable(EngineError):
    """The engine cannot be reached, or says it is not ready."""

    code = "engine-unavailable"


class EngineRefused(EngineError):
    """The engine answered with an error that trying again will not mend."""

    code = "engine-refused"


class EngineBusy(EngineError):
    """The engine asks to come back later. ``retry_after`` is in seconds, 0.0 when it did not say."""

    code = "engine-busy"

    def __init__(self, message: str, *, advice: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, advice=advice)
        self.retry_after = retry_after


class EngineTimeout(EngineError):
    """One of our own deadlines ran out."""

    code = "engine-timeout"


class EngineProtocolError(EngineError):
    """What the engine sent is not the protocol it claims to speak."""

    code = "engine-protocol"


class InvalidPosition(ServerError):
    """The file or the place in it does not exist."""

    exit_code = 11
    code = "invalid-position"


class InvalidCaseFile(ServerError):
    """A line of a file of completion cases is not usable."""

    exit_code = 9
    code = "invalid-case-file"


class AccountsError(ServerError):
    """There is no such user, group or token, a name is taken, or the file of accounts cannot be used."""

    exit_code = 15
    code = "accounts"


class HistoryError(ServerError):
    """What was measured over time cannot be read or written."""

    code = "history"


class ProviderUnavailable(ServerError):
    """The provider at which people sign in cannot be reached, does not answer in time, or answers with nonsense."""

    code = "provider-unavailable"


class IdentityRefused(ServerError):
    """What the provider says of somebody is not believed, or they are none of those who are let in."""

    code = "identity-refused"


class SignInFailed(ServerError):
    """An editor was not signed in to the team's server, or not out of it."""

    exit_code = 16
    code = "sign-in"


class RequestRefused(ServerError):
    """What a user of the team server asked for is not done for them."""

    code = "refused"


class NotPermitted(RequestRefused):
    """It is not theirs to ask for."""

    code = "not-permitted"


class LimitReached(RequestRefused):
    """They asked for too much lately. ``retry_after`` is in seconds."""

    code = "limit-reached"

    def __init__(self, message: str, *, advice: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, advice=advice)
        self.retry_after = retry_after


class UnknownRun(ServerError):
    """There is no benchmark run of that id."""

    code = "unknown-run"


class RunUnreadable(ServerError):
    """The file of a benchmark run is damaged, or of something else."""

    code = "run-unreadable"


class RunRefused(ServerError):
    """A benchmark run is asked for with something that it cannot be made with."""

    code = "run-refused"


def connection_problem(error: Exception) -> str:
    """Say why a connection failed, without the objects of the program that the HTTP client's texts name."""
    from aiohttp import ClientHttpProxyError, ClientProxyConnectionError  # noqa: PLC0415  # start-up time

    if isinstance(error, ClientHttpProxyError):
        return f"the proxy that the environment names answered {error.status} {error.message}".rstrip()
    if isinstance(error, ClientProxyConnectionError):
        problem = os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
        return f"the proxy that the environment names, {error.host}:{error.port}: {problem}"
    certificate = getattr(error, "certificate_error", None)
    if certificate is not None:
        return f"its certificate is not trusted ({certificate})"
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    # TLS and the name service count in numbers of their own.
    if number is not None and number > 0 and not isinstance(cause, ssl.SSLError):
        return os.strerror(number)
    return getattr(cause, "strerror", None) or str(error)
