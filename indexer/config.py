"""Settings of the indexer: its tables of ``hearth.toml``, one frozen class each, with defaults and bounds."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, TypeVar

from attrs import asdict, field, fields, frozen, validators

_T = TypeVar("_T")


def _setting(default: _T, help_: str, low: float, high: float, *, shapes_blobs: bool = False) -> _T:
    """One documented field. ``shapes_blobs`` marks what changes the processing of a single blob."""
    check: Any = validators.and_(validators.ge(low), validators.le(high))
    return field(default=default, validator=check, metadata={"help": help_, "shapes_blobs": shapes_blobs})


def check_address(_instance: object, _attribute: object, value: str) -> None:
    """Check that a text is empty or the address of a server."""
    if value and not re.fullmatch(r"https?://[^/\s@]+(?:/[^\s?#]*)?", value):
        raise ValueError(f'must be an address such as "http://127.0.0.1:8001", not "{value}"')


def check_variable_name(_instance: object, _attribute: object, value: str) -> None:
    """Check that a text is empty or the name of an environment variable."""
    # The value is not repeated: it may well be the secret itself, written where its name belongs.
    if value and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, not the secret itself")


@frozen
class EmbedderConfig:
    """A server that turns text into vectors for the search by meaning; off while no address is given.

    Without one Hearth's own small table does it.
    """

    url: str = field(
        default="",
        validator=check_address,
        metadata={"help": "Address of a server of the OpenAI API with an embedding model, up to and without `/v1`."},
    )
    uds: str = field(default="", metadata={"help": "Path of a Unix socket to connect to instead of `url`."})
    model: str = field(default="", metadata={"help": "Name of the model; empty means the first one of the server."})
    api_key_env: str = field(
        default="",
        validator=check_variable_name,
        metadata={"help": "Name of the environment variable that holds the API key; empty means no key."},
    )
    query_prefix: str = field(
        default="", metadata={"help": "Text put before each query, for models that want an instruction there."}
    )
    batch_texts: int = _setting(64, "Most texts in one request.", 1, 10_000)
    max_characters: int = _setting(6_000, "Characters of a text that count; the rest is left out.", 100, 1_000_000)
    batch_seconds: float = _setting(60.0, "How long one request may take while indexing.", 0.1, 3600.0)
    query_seconds: float = _setting(
        1.0, "How long a search waits for the vector of its query before it goes by words alone.", 0.01, 60.0
    )
    attempts: int = _setting(
        5, "How often a request is tried while indexing, with growing pauses, before the run ends.", 1, 100
    )

    @property
    def configured(self) -> bool:
        """Whether there is a server to ask."""
        return bool(self.url or self.uds)


def _patterns(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415  # few settings have patterns, and every command reads settings

    for pattern in value:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError:
            raise ValueError(f'must hold patterns as of .gitignore, and "{pattern}" is none') from None


def _rule_names(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    from indexer.secrets.rules import rules  # noqa: PLC0415  # as above; it compiles them all

    known = {rule.name for rule in rules()}
    for name in value:
        if name not in known:
            raise ValueError(f'must hold names of rules, and there is none of the name "{name}"')


@frozen
class AllowedSecrets:
    """What looks like a secret and is none, such as keys that are made for tests; the table may be repeated.

    An entry says paths, rules or both; what it leaves out it does not limit.
    """

    paths: tuple[str, ...] = field(
        default=(),
        validator=_patterns,
        metadata={"help": "Where: patterns of paths, in the syntax of `.gitignore`; empty means every file."},
    )
    rules: tuple[str, ...] = field(
        default=(),
        validator=_rule_names,
        metadata={"help": "Of which kind: names of rules, as `hearth secrets` shows them; empty means every rule."},
    )
    repositories: tuple[str, ...] = field(
        default=(), metadata={"help": "Names of the repositories in which it holds; empty means all."}
    )

    def __attrs_post_init__(self) -> None:
        """Refuse an entry that would allow everything everywhere."""
        if not self.paths and not self.rules:
            raise ValueError("must say paths, rules or both; `[index] secrets = false` allows everything")


@frozen
class IndexConfig:
    """How repositories are read, cut and stored."""

    max_file_bytes: int = _setting(
        1_000_000, "Files larger than this are left out, in bytes.", 1_000, 100_000_000, shapes_blobs=True
    )
    secrets: bool = field(
        default=True,
        metadata={
            "help": "Whether secrets in files are found and kept out of the index and of prompts.",
            "shapes_blobs": True,
        },
    )
    batch_files: int = _setting(
        256, "Files that become durable together; a killed run starts again after the last batch.", 1, 100_000
    )
    batch_bytes: int = _setting(
        4_000_000, "Source text that becomes durable together, in bytes; bounds memory.", 10_000, 1_000_000_000
    )
    history_timeout_ms: int = _setting(
        2_000, "How long to wait for git when asked for the history of some lines, in milliseconds.", 50, 60_000
    )

    embedder: EmbedderConfig = field(factory=EmbedderConfig, metadata={"shapes_blobs": False})
    # Part of the key of those blobs alone that stand where something is allowed.
    allowed_secrets: tuple[AllowedSecrets, ...] = field(default=(), metadata={"shapes_blobs": False})

    def options_digest(self, *parts: str) -> str:
        """Name the way a blob is processed, as 16 hexadecimal digits.

        Derived from all fields that shape blobs and from ``parts`` (versions of parser, chunker and embedder): blobs
        stored under another digest are processed again.
        """
        names = {attribute.name for attribute in fields(IndexConfig) if attribute.metadata["shapes_blobs"]}
        values = {name: value for name, value in asdict(self).items() if name in names}
        return _digest([values, parts], 8)

    def allowed_digest(self) -> str:
        """Name what is allowed, as 8 hexadecimal digits; empty when nothing is.

        What was published under another one is looked at again: its files may be other blobs now.
        """
        if not self.secrets or not self.allowed_secrets:
            return ""
        return _digest([asdict(allowed) for allowed in self.allowed_secrets], 4)


def _digest(value: object, size: int) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=size).hexdigest()


def check_reference(_instance: object, _attribute: object, value: str) -> None:
    """Check that a text is empty or says where a secret is kept."""
    # The value is not repeated: it may well be the secret itself, written where its place belongs.
    if value and not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+", value):
        raise ValueError('must say where the secret is: "env:NAME" or "file:/ABSOLUTE/PATH"')


def _secret(help_: str) -> str:
    return field(default="", validator=check_reference, metadata={"help": help_})


@frozen
class WebhookSecrets:
    """Where the secrets of webhooks are; a forge without one is not listened to."""

    github: str = _secret("Secret of GitHub's webhooks: `env:NAME` or `file:/PATH`.")
    gitlab: str = _secret("Secret token, or signing token, of GitLab's webhooks: `env:NAME` or `file:/PATH`.")
    gitea: str = _secret("Secret of Gitea's and Forgejo's webhooks: `env:NAME` or `file:/PATH`.")
    bitbucket: str = _secret("Secret of Bitbucket's webhooks, Cloud or Data Center: `env:NAME` or `file:/PATH`.")


@frozen
class RepositoriesConfig:
    """Registered repositories: what may be registered, and how news of them is worked off."""

    allowed_paths: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Directories below which repositories may be registered by page or API; commands may name any."
        },
    )
    allowed_credentials: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Places of secrets that may be named by page or API (`env:NAME`, `file:/PATH`); commands name any."
        },
    )
    internal_hosts: tuple[str, ...] = field(
        default=(),
        metadata={"help": "Hosts, or networks such as `10.0.0.0/8`, of remotes that may have internal addresses."},
    )
    attempts: int = _setting(5, "Failures in a row after which a job is set aside.", 1, 100)
    stall_minutes: float = _setting(
        30.0, "How long a job may go without a sign of progress before it is stopped, in minutes.", 0.1, 1_440
    )
    webhooks: WebhookSecrets = field(factory=WebhookSecrets)


@frozen
class RepositoryEntry:
    """One registered repository; the table may be repeated."""

    source: str = field(
        metadata={"help": "Its URL, or its absolute path on this machine.", "default": "none, required"}
    )
    name: str = field(
        default="", metadata={"help": "What it is called in the index; empty means the end of its URL or path."}
    )
    branches: tuple[str, ...] = field(
        default=(),
        metadata={"help": "Patterns of branches, tags as `refs/tags/PATTERN`; empty means the branch of HEAD."},
    )
    credential: str = _secret(
        "Where the remote's secret is: `env:NAME` or `file:/PATH`; empty for none or an SSH agent."
    )
    poll_minutes: float = _setting(0.0, "How often to ask the source for news, in minutes; 0 means never.", 0, 100_000)
    paused: bool = field(default=False, metadata={"help": "Whether it is left as it is."})
