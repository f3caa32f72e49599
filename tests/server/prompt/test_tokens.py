"""Prompts as token ids: what the model's tokenizer would read, markers only where Hearth puts them, within budget."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from server.prompt import Budget, FimFormat, render
from server.prompt.media import CountedTextMedium, TokenMedium
from server.prompt.pieces import AFTER_BLANK_LINES, BEFORE_LINE_ENDS, MAX_PIECE_CHARACTERS, cut
from server.prompt.tokens import NotCached, TokenCodec, TokenizerMismatch
from server.types import CompletionRequest, Prompt, Snippet, SnippetReason
from tests.server.prompt.tokenizers import CODE, MAKERS, REGISTRY, like_qwen, tokenizer_of

FORMATS = [REGISTRY.find(name) for name in MAKERS]
CODECS = {fim.name: TokenCodec(tokenizer_of(fim), fim) for fim in FORMATS}
each_format = pytest.mark.parametrize("fim", FORMATS, ids=lambda fim: fim.name)

LINES = st.lists(
    st.sampled_from([*CODE.splitlines(keepends=True)[:24], "\n", "    \n", "\r\n", "caf\u00e9 \u6f22\u5b57\n", "  x"]),
    max_size=60,
)
TEXTS = LINES.map("".join)


def snippet(path: str, text: str, score: float = 1.0) -> Snippet:
    return Snippet("shop", path, "c0ffee", 1, 2, "python", text, score, SnippetReason.LEXICAL)


REQUEST = CompletionRequest(
    path="shop/cart.py",
    language="python",
    prefix="def total(cart):\n    return ",
    suffix="\n\nprint(total({}))\n",
    repository="shop",
    snippets=(snippet("shop/tax.py", "RATE = 0.2\n\n\ndef tax(x):\n    return x\n"),),
    max_tokens=64,
    multiline=True,
)


def written(request: CompletionRequest, fim: FimFormat, budget: Budget | None = None) -> Prompt:
    return render(request, fim, budget or Budget(), TokenMedium(fim, CODECS[fim.name]))


@each_format
@pytest.mark.parametrize("request_", [REQUEST, replace(REQUEST, prefix=CODE, suffix=CODE, snippets=())])
def test_the_ids_are_those_of_the_same_prompt_as_text(fim: FimFormat, request_: CompletionRequest) -> None:
    text = render(request_, fim, Budget(context=100_000, suffix=10_000)).text
    expected = tokenizer_of(fim).encode(text, add_special_tokens=True).ids
    ids = list(written(request_, fim, Budget(context=100_000, suffix=10_000)).token_ids)
    assert ids[-len(expected) :] == expected
    # What is more is the family's beginning, where the tokenizer does not add it by itself.
    assert [tokenizer_of(fim).id_to_token(token) for token in ids[: -len(expected)]] in ([], [fim.bos])


def test_every_prompt_begins_as_the_tokenizer_or_the_family_wants() -> None:
    begins = {fim.name: tokenizer_of(fim).id_to_token(written(REQUEST, fim).token_ids[0]) for fim in FORMATS}
    assert begins == {
        "qwen2.5-coder": "<|repo_name|>",
        "starcoder2": "<start>",
        "codestral": "<s>",
        "mellum": "<filename>",
    }


@each_format
def test_tokens_end_the_answer_and_strings_hold_nothing_back(fim: FimFormat) -> None:
    prompt = written(replace(REQUEST, multiline=False), fim)
    assert prompt.text == ""
    assert prompt.stop == ("\n",)
    assert {tokenizer_of(fim).id_to_token(token) for token in prompt.stop_token_ids} == set(fim.stop)


@each_format
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_text_from_a_file_becomes_a_special_token(fim: FimFormat, data: st.DataObject) -> None:
    codec = CODECS[fim.name]
    special = set(tokenizer_of(fim).get_added_tokens_decoder())
    pieces = st.lists(
        st.sampled_from([*fim.markers, "<start>", "<unk>", "<", "|", ">", "[", "x", " ", "\n"]), max_size=9
    )
    text = "".join(data.draw(pieces))
    for ids in codec.encode(codec.pieces(text)):
        assert special.isdisjoint(ids)
    hostile = replace(
        REQUEST, path=f"a{text}", repository=f"r{text}", prefix=text, suffix=text, snippets=(snippet(text, text),)
    )
    tame = replace(REQUEST, snippets=(snippet("a", "b"),))

    def specials(request: CompletionRequest) -> list[int]:
        return [token for token in written(request, fim).token_ids if token in special]

    assert specials(hostile) == specials(tame)


def test_a_marker_that_the_vocabulary_itself_spells_is_taken_apart() -> None:
    vocabulary = {character: number for number, character in enumerate("<PSM>x \n")}
    merges = [("<", "P"), ("<P", ">")]
    vocabulary |= {"<P": 20, "<P>": 21}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in ("<P>", "<S>", "<M>")])
    fim = FimFormat(
        name="spelt", models=(), template="<P>{prefix}<S>{suffix}<M>", markers=("<P>", "<S>", "<M>"),
        licence="MIT", commercial=REGISTRY.find("mellum").commercial, context_tokens=512,
    )  # fmt: skip
    codec = TokenCodec(tokenizer, fim)
    (ids,) = codec.encode(["x<P>x"])
    assert 21 not in ids
    assert list(ids) == [vocabulary[character] for character in "x<P>x"]


@each_format
@settings(max_examples=40, deadline=None)
@given(prefix=TEXTS, suffix=TEXTS, sizes=st.lists(st.integers(1, 200), max_size=6), context=st.integers(256, 1500))
def test_no_prompt_has_more_tokens_than_its_budget(
    fim: FimFormat, prefix: str, suffix: str, sizes: list[int], context: int
) -> None:
    snippets = tuple(snippet(f"{number}.py", "x = y\n" * size, float(number)) for number, size in enumerate(sizes))
    request = replace(REQUEST, prefix=prefix, suffix=suffix, snippets=snippets, max_tokens=32)
    prompt = written(request, fim, Budget(context=context))
    assert len(prompt.token_ids) <= context - 32
    assert len(prompt.stop) <= 4
    text = render(request, fim, Budget(context=context), CountedTextMedium(fim, CODECS[fim.name])).text
    # As text the server adds the beginning of its own accord.
    assert len(tokenizer_of(fim).encode(text).ids) <= context - 32
    # What stands right before the cursor is never lost.
    assert prefix[-10:] in tokenizer_of(fim).decode(list(prompt.token_ids), skip_special_tokens=False) + text


def shared(before: Prompt, after: Prompt) -> float:
    """Return how much of the front of a prompt is as it was, from 0 to 1."""
    pairs = zip(before.token_ids, after.token_ids, strict=False)
    same = next((number for number, (old, new) in enumerate(pairs) if old != new), len(before.token_ids))
    return same / len(before.token_ids)


DOCUMENT = "".join(f"value_{number} = compute({number}, rate)\n" for number in range(2000))


@pytest.mark.parametrize("name", ["codestral", "mellum"])
@settings(max_examples=15, deadline=None)
@given(typed=st.text("abc(1=", min_size=1, max_size=12), context=st.integers(1024, 4096), line=st.integers(300, 1700))
def test_typing_in_a_line_changes_only_the_end_where_the_suffix_comes_first(
    name: str, typed: str, context: int, line: int
) -> None:
    fim = REGISTRY.find(name)
    at = DOCUMENT.index(f"value_{line} =") + 12
    prompts = [
        written(
            replace(REQUEST, prefix=DOCUMENT[:at] + typed[:length], suffix=DOCUMENT[at:]), fim, Budget(context=context)
        )
        for length in range(len(typed) + 1)
    ]
    kept = [shared(before, after) for before, after in itertools.pairwise(prompts)]
    # The beginning of the text before the cursor may move once.
    assert sum(ratio > 0.97 for ratio in kept) >= len(kept) - 1


def test_a_new_line_leaves_the_front_of_a_prompt_alone() -> None:
    fim = REGISTRY.find("mellum")
    text = DOCUMENT[: len(DOCUMENT) // 2]
    prompts = []
    for number in range(60):
        prompts.append(written(replace(REQUEST, prefix=text, suffix=""), fim, Budget(context=4096)))
        text += f"other_{number} = value\n"
    kept = [shared(before, after) for before, after in itertools.pairwise(prompts)]
    assert sum(ratio > 0.97 for ratio in kept) >= len(kept) - 4


def test_typing_does_not_push_snippets_out_one_key_at_a_time() -> None:
    fim = REGISTRY.find("qwen2.5-coder")
    snippets = tuple(snippet(f"{number}.py", CODE[:400], float(number)) for number in range(12))
    dropped = [
        written(
            replace(REQUEST, prefix=DOCUMENT[:4000] + "x = y\n" * number, snippets=snippets), fim, Budget(context=4096)
        ).dropped_snippets
        for number in range(200)
    ]
    assert len([1 for before, after in itertools.pairwise(dropped) if before != after]) <= 6


@each_format
@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
def test_pieces_are_encoded_as_the_whole_is(fim: FimFormat, text: str) -> None:
    codec = CODECS[fim.name]
    pieces = codec.pieces(text)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= MAX_PIECE_CHARACTERS for piece in pieces)
    whole = codec._plain.encode(text, add_special_tokens=False).ids  # what the pieces stand for
    assert [token for ids in codec.encode(pieces) for token in ids] == whole
    assert codec.count(text) == len(whole)


@given(text=st.text("ab \t\r\n\u2028\x0c.", max_size=200))
def test_cutting_loses_nothing(text: str) -> None:
    for where in (AFTER_BLANK_LINES, BEFORE_LINE_ENDS):
        assert "".join(cut(text, where)) == text


def test_what_is_not_cached_is_not_encoded_when_there_is_no_time_for_it() -> None:
    fim = REGISTRY.find("qwen2.5-coder")
    codec = TokenCodec(like_qwen(), fim)
    request = replace(REQUEST, prefix=CODE)
    with pytest.raises(NotCached):
        render(request, fim, Budget(), TokenMedium(fim, codec, 100))
    prompt = render(request, fim, Budget(), TokenMedium(fim, codec))
    assert render(request, fim, Budget(), TokenMedium(fim, codec, 0)) == prompt
    typed = replace(request, prefix=f"{CODE}    x")
    assert render(typed, fim, Budget(), TokenMedium(fim, codec, 100)).token_ids


def test_a_document_that_was_read_whole_has_little_new_at_any_cursor() -> None:
    fim = REGISTRY.find("qwen2.5-coder")
    codec = TokenCodec(like_qwen(), fim)
    render(replace(REQUEST, prefix=CODE, suffix="", snippets=()), fim, Budget(), TokenMedium(fim, codec))
    for cursor in range(0, len(CODE), 7):
        request = replace(REQUEST, prefix=CODE[:cursor], suffix=CODE[cursor:], snippets=())
        assert render(request, fim, Budget(), TokenMedium(fim, codec, 200)).token_ids


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.prompt.tokens._CACHED_PIECES", 100)
    codec = TokenCodec(like_qwen(), REGISTRY.find("qwen2.5-coder"))
    for number in range(1000):
        assert codec.count(f"x{number}\n") > 0
    assert len(codec._young) + len(codec._old) <= 200  # that is what is tested


def test_a_tokenizer_of_another_family_is_refused() -> None:
    with pytest.raises(TokenizerMismatch, match=r"no token <fim_prefix>, so it is not of the family starcoder2"):
        TokenCodec(like_qwen(), REGISTRY.find("starcoder2"))


def test_a_tokenizer_that_joins_lines_is_refused() -> None:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("\n\n\n    #", -1.0), ("\n", -2.0), ("#", -2.0)], unk_id=0))
    fim = REGISTRY.find("codestral")
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in fim.markers])
    with pytest.raises(TokenizerMismatch, match="joins text across the ends of lines"):
        TokenCodec(tokenizer, fim)
