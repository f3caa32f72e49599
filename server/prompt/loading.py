"""Finds and reads the tokenizer of a model, in a thread of its own: some take a second, and no completion waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from server.errors import EngineRefused
from server.prompt.formats import FimFormat

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from server.prompt.tokens import TokenCodec

_log = logging.getLogger(__name__)

_FILE = "tokenizer.json"
_MAX_FILE_BYTES = 200_000_000


class TokenizerMissing(Exception):
    """There is no tokenizer to be had; the message is a sentence for people."""


def find_tokenizer(setting: str, root: str) -> tuple[Tokenizer, str]:
    """Read a tokenizer; return it and where it came from. May take seconds, and longer where it asks a hub.

    Args:
        setting: ``[engine.vllm] tokenizer``: an absolute path of a file or of the directory that holds it, or a name
            on the hub. Only a name that stands here is asked for over the network, once.
        root: Where the model server says that its model is. It is looked for on this machine and nowhere else.

    Raises:
        TokenizerMissing: Says where it was looked for.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415  # not needed, and not loaded, before a model is known

    named = setting or root
    if not named:
        raise TokenizerMissing("the model server does not say where its model is, and [engine.vllm] tokenizer is empty")
    file = _local_file(Path(named).expanduser()) or _cached_file(named)
    try:
        if file is not None:
            if file.stat().st_size > _MAX_FILE_BYTES:
                raise TokenizerMissing(f"{file} is larger than a tokenizer is")
            return Tokenizer.from_file(str(file)), str(file)
        if setting and not Path(setting).expanduser().is_absolute():
            return Tokenizer.from_pretrained(setting), f"{setting} on the hub"
    except TokenizerMissing:
        raise
    except Exception as error:  # the library raises bare exceptions for files, and any for the hub
        reason = " ".join(str(error).split())[:200]
        raise TokenizerMissing(f"the tokenizer of {named} cannot be read: {reason}") from error
    raise TokenizerMissing(f"there is no {_FILE} for {named} on this machine")


def _local_file(path: Path) -> Path | None:
    if not path.is_absolute():
        return None
    file = path / _FILE if path.is_dir() else path
    return file if file.is_file() else None


def _cached_file(name: str) -> Path | None:
    """Return the file in the hub's cache of this machine; asks nobody."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # as above

    try:
        found = try_to_load_from_cache(name, _FILE)
    except ValueError:
        return None  # not a name that a hub could have
    return Path(found) if isinstance(found, str) else None


class ModelTokenizer:
    """The tokenizer of one model, once it has been read.

    Args:
        read: Returns a tokenizer and where it came from; see :func:`find_tokenizer`. Runs in a thread.
        choose: Returns the model's family, given the tokenizer's special tokens. Runs in that thread.
        settled: Called in that thread, last.

    Attributes:
        codec: None while it is being read, or when it is of no use.
        special_tokens: Empty until the tokenizer has been read.
        detail: What came of it, a sentence for people.
        done: Set when all of these are settled.
    """

    def __init__(
        self,
        read: Callable[[], tuple[Tokenizer, str]],
        choose: Callable[[frozenset[str]], FimFormat],
        settled: Callable[[], None],
    ) -> None:
        self.codec: TokenCodec | None = None
        self.special_tokens: frozenset[str] = frozenset()
        self.detail = "tokens are estimated while the tokenizer is being read"
        self.done = threading.Event()
        self._read = read
        self._choose = choose
        self._settled = settled
        # Nothing may wait for it at the end of the process: a hub may take its time.
        threading.Thread(target=self._run, name="tokenizer", daemon=True).start()

    def _run(self) -> None:
        from server.prompt.tokens import TokenCodec, TokenizerMismatch, special_tokens  # noqa: PLC0415  # as above

        try:
            tokenizer, source = self._read()
            self.special_tokens = special_tokens(tokenizer)
            self.codec = TokenCodec(tokenizer, self._choose(self.special_tokens))
            self.detail = f"tokens are counted with {source}"
            _log.info("%s", self.detail)
        except (TokenizerMissing, TokenizerMismatch, EngineRefused) as error:
            self.detail = f"tokens are estimated: {error}"
            _log.warning("%s", self.detail)
        finally:
            self.done.set()
            self._settled()
