"""The vocabulary of the server: frozen values that pass between its layers. No LSP type appears here.

Text is Python text (one item a code point); only ``server.lsp`` knows about UTF-16.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from indexer.types import Scope


class Rung(enum.StrEnum):
    """A step of the ladder of engines, best first."""

    VLLM = "vllm"
    EMBEDDED = "embedded"
    QUIET = "quiet"


class SnippetReason(enum.StrEnum):
    """Why a snippet was gathered."""

    DEFINITION = "definition"
    IMPORTED = "imported"
    LEXICAL = "lexical"
    DENSE = "dense"
    OPEN_FILE = "open-file"
    RECENT_EDIT = "recent-edit"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of code that may help. Lines are 1-based and inclusive; ``commit`` is empty for unsaved text."""

    repository: str
    path: str
    commit: str
    start_line: int
    end_line: int
    language: str
    text: str
    score: float
    reason: SnippetReason
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A document as the editor has it now. ``path`` is relative to ``repository``, or absolute outside of one."""

    path: str
    language: str
    text: str
    repository: str = ""
    """Name in the index; empty outside of any indexed repository."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf an engine is asked; all empty where one developer runs Hearth alone.

    Attributes:
        user: Who asks; for records, never sent to a model server.
        team: Chooses the model where teams have their own, and tells metrics apart.
        tenant: Requests of one tenant may share what a model server keeps of prompts; those of two never do.
        editor: Which editor it is, by one of a few names; for metrics.
    """

    user: str = ""
    team: str = ""
    tenant: str = ""
    editor: str = ""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """Everything an engine may use to complete at one cursor.

    Attributes:
        path: Relative to its repository, or absolute outside of one.
        repository: Name in the index; empty outside of any indexed repository.
        ref: The indexed ref; empty for the default.
        prefix: All text before the cursor.
        suffix: All text after the cursor.
        scope: What may be read from the index; already excludes every open document.
        snippets: Retrieved context, best first, in a stable order.
        open_files: Other open documents, most recently used first.
        max_tokens: Upper bound for what a model generates.
        multiline: Whether more than one line may be proposed.
        caller: On whose behalf.
        request_id: Names this request in records, in log lines and to the model server; see :mod:`server.correlation`.
        variant: 0 asks for the best text; each higher number for one more of those that are likely as well.
    """

    path: str
    language: str
    prefix: str
    suffix: str
    repository: str = ""
    ref: str = ""
    scope: Scope = field(default_factory=Scope)
    snippets: tuple[Snippet, ...] = ()
    open_files: tuple[OpenFile, ...] = ()
    max_tokens: int = 128
    multiline: bool = False
    caller: Caller = field(default_factory=Caller)
    request_id: str = ""
    variant: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """More text from an engine, to be appended. ``tokens`` counts what the engine says it cost (0 if it does not).

    ``confidence`` and ``source`` are those of the whole :class:`Completion` that the text is a part of, and ``model``
    is what writes it; an engine that knows them says them from its first delta on. Only the last delta of a stream may
    have no text: it then carries tokens that came to none, or how the text ended.

    ``limited`` says that the text ends here because it has as many tokens as it may have.

    ``stages`` holds milliseconds of what the engine did before its first text, said once with its first delta:
    ``"prompt"``, and ``"queue"`` until the server had accepted the request.
    """

    text: str
    tokens: int = 0
    confidence: float = -1.0
    source: str = ""
    model: str = ""
    limited: bool = False
    stages: Mapping[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished suggestion.

    ``confidence`` is a calibrated probability that the text is exactly what will be typed, or -1.0 when the
    engine has none to give. ``source`` names the engine and, for the embedded one, where the text came from.
    """

    text: str
    confidence: float
    source: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in the company's code that an explanation drew on; checked to exist before it is shown."""

    repository: str
    path: str
    start_line: int
    end_line: int
    commit: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """What to explain, and the context gathered for it.

    ``text`` is the selected code, ``symbol`` the definition it shows (may be empty). ``facts`` is what the index
    knows: signature, documentation, definitions used, callers, history; each with its citation. ``caller`` and
    ``request_id`` are those of :class:`CompletionRequest`.
    """

    path: str
    language: str
    text: str
    start_line: int
    end_line: int
    repository: str = ""
    ref: str = ""
    symbol: str = ""
    facts: tuple[Fact, ...] = ()
    question: str = ""
    caller: Caller = field(default_factory=Caller)
    request_id: str = ""


class FactKind(enum.StrEnum):
    """What an explanation may rest on."""

    SIGNATURE = "signature"
    DOCUMENTATION = "documentation"
    MEMBER = "member"
    USES = "uses"
    CALLER = "caller"
    HISTORY = "history"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the index knows about the code being explained."""

    kind: FactKind
    title: str
    text: str
    citation: Citation | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as a model reads it, with what ends its answer.

    It is either ``text`` or ``token_ids``; the other one is empty, and both are when no model is to be asked. ``stop``
    has at most 4 strings (the most that OpenAI-compatible servers take); ``dropped_snippets`` counts what did not fit
    the budget.
    """

    text: str
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    dropped_snippets: int = 0


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation with a chat model. ``role`` is ``"system"`` or ``"user"``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as its server lists it; what the server does not say is empty.

    Attributes:
        name: What requests call it.
        root: Path or name of what was loaded under that name.
        parent: For an adapter, the name of the model that it adapts.
        context_tokens: Most tokens of prompt and answer; 0 when the server does not say.
        takes_token_ids: Whether the server is one that takes prompts as token ids.
    """

    name: str
    root: str = ""
    parent: str = ""
    context_tokens: int = 0
    takes_token_ids: bool = False


class TokenCount(enum.StrEnum):
    """How the tokens of a model's prompts are known."""

    COUNTED = "counted"
    """With the model's own tokenizer."""
    ESTIMATED = "estimated"
    """By their bytes, with room to spare: there is no such tokenizer, or it is still being read."""


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """Whether an engine can answer now; ``detail`` is a sentence for people, ``advice`` what they can do if it cannot.

    ``missing_models`` are those that the settings give to teams and the server does not list.
    """

    available: bool
    detail: str
    model: str = ""
    missing_models: tuple[str, ...] = ()
    advice: str = ""


class Engine(Protocol):
    """Anything that completes and explains.

    Streams are context managers: leaving one, finished, failed or cancelled, stops the work behind it and closes its
    connection. An engine with nothing to say yields nothing. Errors are :class:`server.errors.EngineError`.
    """

    @property
    def name(self) -> str:
        """``"vllm"`` or ``"embedded"``."""

    def complete(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Stream the text to insert at the cursor."""

    async def prepare(self, request: CompletionRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Do ahead what :meth:`complete` does before it asks, and return what it returns.

        Whoever waits for something else before asking calls it meanwhile; to drop what it returns costs nothing. What
        is wrong with the request is said when the stream is entered.
        """

    def explain(self, request: ExplainRequest) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Stream an explanation in Markdown. ``[n]`` refers to the n-th citation among ``request.facts``, from 1."""

    async def health(self) -> EngineHealth:
        """Ask whether the engine could answer now. Never raises."""

    async def close(self) -> None:
        """Release connections and files. Idempotent."""
