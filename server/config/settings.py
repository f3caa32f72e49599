"""The settings of ``hearth.toml``: one frozen class a table, each field with its default, bounds and help.

Secrets never stand in the file: a setting that needs one names the environment variable that holds it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from attrs import field, frozen, validators

from indexer.config import IndexConfig, RepositoriesConfig, RepositoryEntry
from indexer.config import check_address as _address
from indexer.config import check_variable_name as _variable_name
from server.config.fields import between as _between
from server.config.fields import setting as _setting
from server.config.launcher import LauncherConfig
from server.config.oidc import OidcConfig
from server.types import Rung


def _rungs(_instance: object, _attribute: object, value: tuple[Rung, ...]) -> None:
    if Rung.QUIET in value:
        raise ValueError('must not name "quiet", which always comes last by itself')
    if len(set(value)) != len(value):
        raise ValueError("must not name an engine twice")


def _networks(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    for network in value:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ValueError(
                f'must list addresses such as "10.0.0.7" or networks such as "10.0.0.0/8", not "{network}"'
            ) from None


def _origin(_instance: object, _attribute: object, value: str) -> None:
    if value and not re.fullmatch(r"https?://[^/\s@?#]+/?", value):
        raise ValueError(f'must be an address without a path, such as "https://hearth.example.com", not "{value}"')


def default_data_directory() -> Path:
    """Where the index is kept when nothing else is said: the user's data directory of the platform."""
    return Path(platformdirs.user_data_dir("hearth", appauthor=False))


@frozen
class DataConfig:
    """Where Hearth keeps what it builds."""

    directory: Path = field(
        factory=default_data_directory,
        metadata={
            "help": "Directory of the index; relative paths start at the directory of hearth.toml.",
            "default": "the user's data directory",
        },
    )


@frozen
class VllmConfig:
    """A model server that speaks the OpenAI API (vLLM or any other); off while no address is given."""

    url: str = _setting(
        "",
        "Address of the completion model's server, up to and without `/v1`; empty means no model server.",
        _address,
    )
    model: str = _setting("", "Name of the completion model; empty means the first one that the server lists.")
    format: str = _setting(
        "", "Name of the model's family in `hearth models`; empty means that the model's name or its tokenizer tells."
    )
    tokenizer: str = _setting(
        "",
        "The model's tokenizer: an absolute path, or a name on the Hugging Face hub, which is then asked for it; empty "
        "means where the model server says that the model is, on this machine only.",
    )
    chat_url: str = _setting("", "Address of the chat model for explanations; empty means the same server.", _address)
    chat_uds: str = _setting("", "Path of a Unix socket of the chat model's server, instead of `chat_url`.")
    chat_model: str = _setting("", "Name of the chat model; empty means the same model.")
    teams: Mapping[str, str] = field(
        factory=dict,
        metadata={
            "help": "Completion model of each team that has its own, such as a LoRA adapter's name: "
            '`payments = "payments-lora"`. All others get `model`.'
        },
    )
    chat_teams: Mapping[str, str] = field(
        factory=dict,
        metadata={
            "help": "Chat model of each team whose explanations have their own, in the same way. All others get "
            "`chat_model`."
        },
    )
    api_key_env: str = _setting(
        "", "Name of the environment variable that holds the API key; empty means no key.", _variable_name
    )
    cache_salt_key_env: str = _setting(
        "",
        "Name of the environment variable that holds the key of each tenant's `cache_salt`; empty keeps a key in the "
        "data directory.",
        _variable_name,
    )
    uds: str = _setting("", "Path of a Unix socket to connect to instead of the address's host and port.")
    context_tokens: int = _setting(
        8192,
        "Context length to stay within, in tokens; not more than the server's `--max-model-len`.",
        _between(512, 1 << 20),
    )
    temperature: float = _setting(0.0, "Sampling temperature of completions.", _between(0.0, 2.0))
    explain_temperature: float = _setting(0.2, "Sampling temperature of explanations.", _between(0.0, 2.0))
    connect_seconds: float = _setting(
        1.0,
        "How long connecting may take; over 3 seconds also how long the server may take to say that it is well.",
        _between(0.01, 60.0),
    )
    first_token_seconds: float = _setting(
        3.0, "How long a completion may wait for its first token.", _between(0.01, 600.0)
    )
    explain_first_token_seconds: float = _setting(
        30.0, "How long an explanation may wait for its first token.", _between(0.01, 600.0)
    )
    between_tokens_seconds: float = _setting(2.0, "How long a stream may pause between tokens.", _between(0.01, 600.0))
    total_seconds: float = _setting(10.0, "How long a whole completion may take.", _between(0.01, 600.0))
    explain_total_seconds: float = _setting(120.0, "How long a whole explanation may take.", _between(0.01, 3600.0))
    use_proxy: bool = _setting(False, "Whether to go through the proxy that the environment names.")
    connections: int = _setting(64, "Most connections open to the model server at once.", _between(1, 4096))

    @property
    def configured(self) -> bool:
        """Whether there is a model server to ask."""
        return bool(self.url or self.uds)


@frozen
class ModelsConfig:
    """Which models may be used, and what Hearth knows of them."""

    files: tuple[Path, ...] = _setting(
        (), "Files with more families of models, or other words on those that Hearth knows; see docs/models.md."
    )
    allowed_licences: tuple[str, ...] = _setting(
        ("*",),
        "Licences of models that may be used, as `hearth models` names them; `*` stands for anything.",
        validators.min_len(1),
    )


@frozen
class EmbeddedConfig:
    """The engine that is built from the index itself."""

    threshold: float = _setting(
        0.5,
        "Least confidence at which it speaks: the probability that the suggestion is exactly right.",
        _between(0.0, 1.0),
    )
    max_lines: int = _setting(6, "Most lines that it proposes at once where several are wanted.", _between(1, 100))


@frozen
class EngineConfig:
    """Which engine answers, and when the next one takes over."""

    order: tuple[Rung, ...] = field(
        default=(Rung.VLLM, Rung.EMBEDDED),
        metadata={"help": "Engines to ask, best first; `vllm` is passed over while it is not configured."},
        validator=_rungs,
    )
    launch: bool = _setting(
        False,
        "Whether `hearth serve` starts and supervises the model servers of [engine.launcher], as `hearth engine up` "
        "does, and all commands look for them where it starts them.",
    )
    failures: int = _setting(2, "Failures in a row after which an engine is left alone for a while.", _between(1, 100))
    retry_seconds: float = _setting(
        5.0, "How long a failed engine is left alone before it is tried again.", _between(0.01, 3600.0)
    )
    retry_max_seconds: float = _setting(
        60.0, "Most that this pause grows to while the engine keeps failing.", _between(0.01, 86400.0)
    )
    vllm: VllmConfig = field(factory=VllmConfig)
    embedded: EmbeddedConfig = field(factory=EmbeddedConfig)
    launcher: LauncherConfig = field(factory=LauncherConfig)


@frozen
class CompletionConfig:
    """Completions at the cursor."""

    enabled: bool = _setting(True, "Whether to propose anything while typing.")
    debounce_ms: int = _setting(
        40,
        "How long to wait for the next key before a model is asked, in milliseconds; 0 never waits.",
        _between(0, 5000),
    )
    adaptive_debounce: bool = _setting(
        True,
        "Whether that wait follows the model's measured latency and the rhythm of typing, between 0 and 300 ms; "
        "`debounce_ms` is then where it starts.",
    )
    max_tokens: int = _setting(128, "Most tokens of one completion.", _between(1, 4096))
    line_tokens: int = _setting(
        48,
        "Most tokens of a completion inside a line, where only the rest of that line is wanted. Where lines near it "
        "are longer, it may be longer as well, up to `max_tokens`.",
        _between(1, 4096),
    )
    multiline: bool = _setting(True, "Whether to propose several lines where the cursor's line is empty.")
    max_lines: int = _setting(12, "Most lines of one completion.", _between(1, 200))
    stand_in: float = _setting(
        0.7,
        "Least confidence at which the embedded engine's suggestion is shown until a model's first token; "
        "0 shows nothing until then.",
        _between(0.0, 1.0),
    )
    alternatives: int = _setting(
        2,
        "How many more suggestions are looked for when a user asks for others than the one that is shown; "
        "each is a request to the model.",
        _between(0, 5),
    )
    speculate: bool = _setting(
        True,
        "Whether a model is asked for what comes next as soon as a suggestion is taken, while that is rarely in vain.",
    )
    deadline_ms: int = _setting(
        10_000, "Most time for one completion from the key stroke on, in milliseconds.", _between(10, 600_000)
    )


@frozen
class ContextConfig:
    """What is gathered around a cursor for the model."""

    max_snippets: int = _setting(12, "Most snippets from other files in one prompt.", _between(0, 100))
    per_file: int = _setting(2, "Most snippets from one file.", _between(1, 20))
    tokens: int = _setting(2048, "Most tokens of snippets in one prompt.", _between(0, 1 << 20))
    deadline_ms: int = _setting(
        50, "Most time to gather snippets, in milliseconds; what has not come by then is left out.", _between(1, 10_000)
    )
    open_files: int = _setting(4, "Most other open files that may contribute.", _between(0, 100))


@frozen
class ExplainConfig:
    """Explanations."""

    max_tokens: int = _setting(1024, "Most tokens of one explanation.", _between(16, 16_384))
    max_facts: int = _setting(24, "Most facts from the index that one explanation rests on.", _between(0, 200))
    context_tokens: int = _setting(4096, "Most tokens of code and facts given to the model.", _between(256, 1 << 20))


@frozen
class LogConfig:
    """What is written down about Hearth's own work; never text of the company's files."""

    level: str = _setting(
        "info", "Least severe message to write.", validators.in_(("debug", "info", "warning", "error"))
    )
    format: str = _setting(
        "text",
        "Whether `hearth serve` and `hearth lsp` write lines for people (`text`) or one JSON object a line (`json`).",
        validators.in_(("text", "json")),
    )
    file: str = _setting(
        "",
        "File to write to; empty means `logs/lsp.log` in the data directory, which `hearth lsp` writes.",
    )


@frozen
class TracingConfig:
    """Traces of single requests, by OpenTelemetry; off while no endpoint is named."""

    endpoint: str = _setting(
        "",
        "Where a collector takes traces by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`.",
        _address,
    )


@frozen
class TlsConfig:
    """Encryption of the team server's connections; off while no certificate is named."""

    certificate: str = _setting("", "File with the certificate and its chain (PEM); read again when it changes.")
    key: str = _setting("", "File with the certificate's private key (PEM).")


@frozen
class LimitsConfig:
    """How much one user of the team server, and all of them together, may use."""

    connections: int = _setting(2048, "Most connections at once, of all users.", _between(1, 1 << 20))
    address_connections: int = _setting(
        512,
        "Most connections of one address, or of a /48 of IPv6, that are no signed-in editor's; "
        "those of trusted proxies have no such limit.",
        _between(1, 1 << 20),
    )
    sessions: int = _setting(16, "Most editors that one user may have connected at once.", _between(1, 10_000))
    message_bytes: int = _setting(
        16 << 20, "Most bytes of one message of an editor, such as a file that is opened.", _between(1 << 10, 1 << 30)
    )
    unread_bytes: int = _setting(
        8 << 20,
        "Most bytes that wait for an editor that does not read, before it is cut off.",
        _between(1 << 10, 1 << 30),
    )
    handshake_seconds: float = _setting(
        10.0, "How long a client may take for the TLS handshake.", _between(0.1, 3600.0)
    )
    header_seconds: float = _setting(
        20.0, "How long a client may take to send the head of a request, or be idle between two.", _between(0.1, 3600.0)
    )
    request_seconds: float = _setting(
        30.0,
        "How long the rest of a request and its answer may take; the session of an editor lasts as long as it wants.",
        _between(0.1, 3600.0),
    )
    completions: int = _setting(600, "Most completions a minute of one user; 0 means no limit.", _between(0, 1 << 20))
    explanations: int = _setting(30, "Most explanations a minute of one user; 0 means no limit.", _between(0, 1 << 20))
    searches: int = _setting(
        240, "Most searches a minute of one user, and most hovers; 0 means no limit.", _between(0, 1 << 20)
    )


@frozen
class AuditConfig:
    """What the team server writes down of who did what: `audit/audit.jsonl` in the data directory, never code."""

    enabled: bool = _setting(True, "Whether to write it.")
    file_mb: int = _setting(32, "Size at which a new file is begun, in MB.", _between(1, 10_000))
    files: int = _setting(32, "How many files are kept; the oldest goes first.", _between(1, 10_000))


@frozen
class HistoryConfig:
    """What the team server keeps of its metrics over time, in `history.sqlite` of the data directory: numbers alone."""

    enabled: bool = _setting(True, "Whether to keep it; the pages of latency and usage show it.")
    interval_seconds: float = _setting(
        60.0,
        "How often it is written down; what came since is lost when the server is killed.",
        _between(1.0, 3600.0),
    )
    minutes_days: int = _setting(2, "How many days every minute is kept for.", _between(1, 60))
    hours_days: int = _setting(90, "How many days every hour is kept for.", _between(1, 3650))


@frozen
class BenchmarksConfig:
    """Benchmark runs of the team server, which its pages start and compare: `benchmarks/` in the data directory."""

    minutes: float = _setting(60.0, "How long a run may take before it is ended, in minutes.", _between(0.01, 1440.0))
    kept: int = _setting(50, "How many runs are kept; the oldest goes first.", _between(1, 10_000))


@frozen
class ServerConfig:
    """The team server, `hearth serve`."""

    host: str = _setting("127.0.0.1", "Address to listen on; others than the loopback need TLS or a proxy.")
    port: int = _setting(8642, "Port to listen on; 0 takes a free one.", _between(0, 65_535))
    behind_proxy: bool = _setting(
        False, "Whether a proxy in front ends TLS, so that plain HTTP may be spoken on any address."
    )
    public_url: str = _setting(
        "",
        "Where browsers reach the server, such as `https://hearth.example.com`; empty means where they ask.",
        _origin,
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata={"help": "Addresses or networks of proxies whose `X-Forwarded-For` and `-Proto` are believed."},
        validator=_networks,
    )
    everyone_reads: bool = _setting(False, "Whether every user may read every repository, whatever the groups say.")
    teams: tuple[str, ...] = _setting(
        (),
        "Groups that latency and usage are told apart by, beside those of [engine.vllm.teams] and `chat_teams`; who is "
        "in several counts for the first of all these.",
        validators.max_len(64),
    )
    editor_hours: float = _setting(
        168.0,
        "How long an editor stays signed in that somebody let in with a browser, in hours.",
        _between(0.01, 87_600.0),
    )
    drain_seconds: float = _setting(
        20.0, "How long running suggestions may take to end when the server is stopped.", _between(0.0, 3600.0)
    )
    tls: TlsConfig = field(factory=TlsConfig)
    oidc: OidcConfig = field(factory=OidcConfig)
    limits: LimitsConfig = field(factory=LimitsConfig)
    audit: AuditConfig = field(factory=AuditConfig)
    history: HistoryConfig = field(factory=HistoryConfig)
    benchmarks: BenchmarksConfig = field(factory=BenchmarksConfig)


@frozen
class HearthConfig:
    """All of ``hearth.toml``."""

    data: DataConfig = field(factory=DataConfig)
    index: IndexConfig = field(factory=IndexConfig)
    repositories: RepositoriesConfig = field(factory=RepositoriesConfig)
    repository: tuple[RepositoryEntry, ...] = ()
    engine: EngineConfig = field(factory=EngineConfig)
    models: ModelsConfig = field(factory=ModelsConfig)
    completion: CompletionConfig = field(factory=CompletionConfig)
    context: ContextConfig = field(factory=ContextConfig)
    explain: ExplainConfig = field(factory=ExplainConfig)
    server: ServerConfig = field(factory=ServerConfig)
    log: LogConfig = field(factory=LogConfig)
    tracing: TracingConfig = field(factory=TracingConfig)
