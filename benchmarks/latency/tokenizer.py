"""A tokenizer for the engine with fixed latencies, trained on the repository, so that Hearth sends tokens."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.typing import LANGUAGES
from server.prompt import FormatRegistry

_VOCABULARY = 8192
_FILES = 150


def train_tokenizer(repository: Path, commit: str, model: str, directory: Path) -> Path:
    """Write a tokenizer for ``model`` into ``directory`` and return it: byte pairs and its family's markers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_texts(repository, commit), trainer)
    markers = FormatRegistry.built_in().find(model).markers
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in markers])
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


def _texts(repository: Path, commit: str) -> Iterator[str]:
    names = _git(repository, "ls-tree", "-r", "--name-only", commit).decode(errors="replace").splitlines()
    source = [name for name in names if PurePosixPath(name).suffix in LANGUAGES]
    step = max(1, len(source) // _FILES)
    for name in source[::step]:
        yield _git(repository, "show", f"{commit}:{name}").decode(errors="replace")


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True).stdout
