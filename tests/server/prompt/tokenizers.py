"""Tokenizers made here in the ways of the families' own: trained in a moment on a few lines of code."""

from __future__ import annotations

import functools
import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from server.prompt import FimFormat, FormatRegistry

REGISTRY = FormatRegistry.built_in()

CODE = (
    """\
def total(cart, rate=0.2):
    result = 0
    for price in cart:
        if price > 0:
            result += price * (1 + rate)

    return result


class Cart(dict):
    \"\"\"What is bought.\"\"\"

\tdef add(self, name, value):
\t\tself[name] = value; return self[name]

func main() {
\tfmt.Println("hello, world", 1234567890)
}

// if (a < b && list[0] != null) { call(); }\r
    value = a_b.c_d['key']\r
"""
    * 4
)
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@functools.cache
def like_qwen(name: str = "qwen2.5-coder") -> Tokenizer:
    """Bytes, split so that line ends stay with what precedes them; most markers are not even special."""
    fim = REGISTRY.find(name)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    _train_bytes(tokenizer)
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in fim.markers[:-2]])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in fim.markers[-2:]])
    return tokenizer


@functools.cache
def like_starcoder(name: str = "starcoder2") -> Tokenizer:
    """Bytes, split as GPT-2 did: line ends stay with the indentation that follows. A token begins every text."""
    fim = REGISTRY.find(name)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    _train_bytes(tokenizer)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in (*fim.markers, "<start>")])
    start = tokenizer.token_to_id("<start>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<start> $A", special_tokens=[("<start>", start)])
    return tokenizer


@functools.cache
def like_sentencepiece(name: str = "codestral") -> Tokenizer:
    """Spaces are characters, one is put before text, line ends are bytes; the family's beginning is not added."""
    fim = REGISTRY.find(name)
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CODE.splitlines(), trainer)
    # The trainer makes special tokens of the bytes, which are ordinary ones in such a vocabulary.
    trained = json.loads(tokenizer.to_str())
    tokenizer = Tokenizer.from_str(json.dumps(trained | {"added_tokens": []}))
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in fim.markers])
    return tokenizer


MAKERS = {
    "qwen2.5-coder": like_qwen,
    "starcoder2": like_starcoder,
    "codestral": like_sentencepiece,
    "mellum": like_qwen,
}


def tokenizer_of(fim: FimFormat) -> Tokenizer:
    """Return a tokenizer with the markers of a family."""
    return MAKERS[fim.name](fim.name)


def _train_bytes(tokenizer: Tokenizer) -> None:
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([CODE], trainer)
