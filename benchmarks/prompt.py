"""What does writing a prompt cost at every key, and how much of it can a model server's prefix cache keep?

``python -m benchmarks.prompt --repo PATH [--sessions N] [--seed N] [--tokenizer FILE]``. Hunks of the repository's
history are typed key by key. For each key the prompt is written, with eight snippets that stay; nothing else is done.
Times are of the processor, of all threads together, so that a busy machine does not blur them.
The first prompt of a session, for which much has to be encoded, is counted apart. ``kept`` is the part of a prompt's
tokens that begins as the prompt of the key before did: an upper bound for the hit ratio of a prefix cache, whose blocks
are coarser. Without ``--tokenizer`` (a ``tokenizer.json`` with the markers of the formats) one is trained on the files
that are typed in; it splits text as Qwen's does, and its vocabulary is smaller than a real one's, so prompts hold less
text for their tokens.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.report import environment, summary, write
from benchmarks.typing import Session, history_base, sessions
from server.prompt import Budget, FimFormat, FormatRegistry, render
from server.prompt.media import TokenMedium
from server.prompt.tokens import TokenCodec
from server.types import CompletionRequest, Snippet, SnippetReason

FORMATS = ("qwen2.5-coder", "mellum", "codestral")
_SNIPPETS = 8
_SNIPPET_LINES = 30
_VOCABULARY = 16_000
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(slots=True)
class Tally:
    """Times in seconds and tokens of all sessions with one format."""

    first_s: list[float] = field(default_factory=list)
    key_s: list[float] = field(default_factory=list)
    tokens: int = 0
    kept_tokens: int = 0


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[1], help="a git repository")
    parser.add_argument("--commits", type=int, default=200, help="how far back to go (default 200)")
    parser.add_argument("--sessions", type=int, default=20, help="how many hunks are typed (default 20)")
    parser.add_argument("--context", type=int, default=8192, help="tokens of prompt and answer (default 8192)")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json with the markers of the formats")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    base = history_base(arguments.repo, arguments.commits)
    typed = list(itertools.islice(sessions(arguments.repo, base, arguments.seed), arguments.sessions))
    if not typed:
        console.print("no commit of this history only adds lines to a source file")
        return 1
    registry = FormatRegistry.built_in()
    tallies: dict[str, Tally] = {}
    for name in FORMATS:
        fim = registry.find(name)
        tokenizer = Tokenizer.from_file(str(arguments.tokenizer)) if arguments.tokenizer else trained(typed, fim)
        tallies[name] = measure(typed, fim, TokenCodec(tokenizer, fim), Budget(context=arguments.context))
    _show(Console(), tallies)
    figures = {name: _figures(tally) for name, tally in tallies.items()}
    settings = {"sessions": len(typed), "context": arguments.context, "seed": arguments.seed}
    path = write("prompt", {**environment(), **settings, "formats": figures}, arguments.output)
    console.print(f"written to {path}")
    return 0


def trained(typed: Sequence[Session], fim: FimFormat) -> Tokenizer:
    """Train a tokenizer that splits text as Qwen's does, with the markers of a format."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([session.before + session.after for session in typed], trainer)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in fim.markers])
    return tokenizer


def measure(typed: Sequence[Session], fim: FimFormat, codec: TokenCodec, budget: Budget) -> Tally:
    """Type every session, writing the prompt at each key."""
    tally = Tally()
    for number, session in enumerate(typed):
        snippets = tuple(_snippet(typed[(number + away) % len(typed)]) for away in range(1, _SNIPPETS + 1))
        before: tuple[int, ...] = ()
        for length in range(len(session.typed) + 1):
            request = CompletionRequest(
                path=session.path,
                language=session.language,
                prefix=session.before + session.typed[:length],
                suffix=session.after,
                repository="repository",
                snippets=snippets,
            )
            started = time.process_time()
            prompt = render(request, fim, budget, TokenMedium(fim, codec))
            seconds = time.process_time() - started
            if length == 0:
                tally.first_s.append(seconds)
            else:
                tally.key_s.append(seconds)
                tally.tokens += len(prompt.token_ids)
                tally.kept_tokens += _common(before, prompt.token_ids)
            before = prompt.token_ids
    return tally


def _snippet(session: Session) -> Snippet:
    text = "".join((session.before + session.after).splitlines(keepends=True)[:_SNIPPET_LINES])
    return Snippet(
        "repository", session.path, "", 1, _SNIPPET_LINES, session.language, text, 1.0, SnippetReason.LEXICAL
    )


def _common(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    pairs = zip(before, after, strict=False)
    shorter = min(len(before), len(after))
    return next((number for number, (old, new) in enumerate(pairs) if old != new), shorter)


def _figures(tally: Tally) -> dict[str, float]:
    return {
        **summary("first", tally.first_s),
        **summary("key", tally.key_s),
        "keys": len(tally.key_s),
        "mean_tokens": round(tally.tokens / max(1, len(tally.key_s)), 1),
        "kept": round(tally.kept_tokens / max(1, tally.tokens), 4),
    }


def _show(console: Console, tallies: dict[str, Tally]) -> None:
    table = Table(title="Writing a prompt")
    for column in ("format", "keys", "tokens", "p50 ms", "p95 ms", "p99 ms", "first p50 ms", "kept"):
        table.add_column(column, justify="left" if column == "format" else "right")
    for name, tally in tallies.items():
        figures = _figures(tally)
        table.add_row(
            name,
            f"{figures['keys']:,}",
            f"{figures['mean_tokens']:,.0f}",
            *(f"{figures.get(f'{key}_key_ms', 0.0):.2f}" for key in ("p50", "p95", "p99")),
            f"{figures['p50_first_ms']:.1f}",
            f"{figures['kept']:.1%}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
