"""Writes the prompt of a completion: fitted to a budget first, rendered second, never cut afterwards.

The order serves the model server's prefix cache: snippets that stay from one key stroke to the next come first and in
the order given; what is cut off the text before the cursor is cut in coarse steps, so that its beginning moves rarely.
"""

from __future__ import annotations

from attrs import frozen

from server.prompt.formats import FimFormat
from server.types import CompletionRequest, Prompt, Snippet

_BYTES_PER_TOKEN = 3.0
"""A low estimate for code (3 to 4 bytes with current tokenizers), so that a prompt rather has room left."""

_CUT_STEP_LINES = 32
_MAX_STOP_STRINGS = 4


@frozen
class Budget:
    """What a prompt may take, in tokens.

    Attributes:
        context: Prompt and answer together.
        snippets: Most for other files.
        suffix: Most for the text after the cursor; short, because every key shifts it in prefix-first formats.
    """

    context: int = 8192
    snippets: int = 2048
    suffix: int = 512


def estimate_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has, rather more than less."""
    return int(len(text.encode(errors="replace")) / _BYTES_PER_TOKEN) + (1 if text else 0)


def render(request: CompletionRequest, fim: FimFormat, budget: Budget) -> Prompt:
    """Write the prompt for ``request``.

    Text from files cannot act as a marker. The prompt and ``request.max_tokens`` stay within ``budget.context`` and
    within what the family was trained for. One-line requests stop at the end of the line.
    """
    room = min(budget.context, fim.context_tokens) - request.max_tokens - estimate_tokens(fim.template)
    suffix = _head(fim.neutralise(request.suffix), min(budget.suffix, room // 4))
    room -= estimate_tokens(suffix)
    beginning, header = _headers(request, fim)
    if estimate_tokens(beginning) + estimate_tokens(header) > room // 4:
        beginning = header = ""
    room -= estimate_tokens(beginning) + estimate_tokens(header)
    # The code at the cursor matters most: snippets get half of what is left, or what the text before it leaves.
    whole_prefix = fim.neutralise(request.prefix)
    snippet_room = min(budget.snippets, max(room // 2, room - estimate_tokens(whole_prefix)))
    blocks = _fitting(request, fim, snippet_room)
    prefix = _tail(whole_prefix, room - sum(map(estimate_tokens, blocks)))
    opening = "".join((beginning, *blocks, header))
    text = _assemble(fim, opening, prefix, suffix)
    stop = () if request.multiline else ("\n",)
    return Prompt(
        text,
        (*stop, *fim.stop)[:_MAX_STOP_STRINGS],
        fim.stop_token_ids,
        dropped_snippets=len(request.snippets) - len(blocks),
    )


def _assemble(fim: FimFormat, opening: str, prefix: str, suffix: str) -> str:
    if fim.files_in_prefix:
        return _fill(fim.template, prefix=opening + prefix, suffix=suffix)
    return opening + _fill(fim.template, prefix=prefix, suffix=suffix)


def _fill(template: str, **values: str) -> str:
    """Put values into a template in one pass, so that braces in code mean nothing."""
    return template.format_map(values)


def _fitting(request: CompletionRequest, fim: FimFormat, room: int) -> list[str]:
    """Write the best snippets that fit, in the order they came in."""
    if not fim.file:
        return []
    blocks = [
        _fill(fim.file, path=fim.neutralise(_place(item, request)), text=fim.neutralise(item.text.rstrip("\n")))
        for item in request.snippets
    ]
    kept: list[int] = []
    for number in sorted(range(len(blocks)), key=lambda index: -request.snippets[index].score):
        cost = estimate_tokens(blocks[number])
        if cost <= room:
            kept.append(number)
            room -= cost
    return [blocks[number] for number in sorted(kept)]


def _place(snippet: Snippet, request: CompletionRequest) -> str:
    if snippet.repository and snippet.repository != request.repository:
        return f"{snippet.repository}/{snippet.path}"
    return snippet.path


def _headers(request: CompletionRequest, fim: FimFormat) -> tuple[str, str]:
    """Return what names the repository, at the very beginning, and the current file, right before its text."""
    if not fim.file:
        return "", ""
    repository = fim.neutralise(request.repository or "workspace")
    beginning = _fill(fim.repository, repository=repository) if fim.repository else ""
    return beginning, _fill(fim.current, path=fim.neutralise(request.path))


def _tail(text: str, tokens: int) -> str:
    """Return the end of ``text`` within ``tokens``, from the start of a line on if a line fits."""
    if estimate_tokens(text) <= tokens:
        return text
    lines = text.splitlines(keepends=True)
    costs = [len(line.encode(errors="replace")) for line in lines]
    room = max(0, int((tokens - 1) * _BYTES_PER_TOKEN))
    first, size = len(lines), 0
    while first > 0 and size + costs[first - 1] <= room:
        first -= 1
        size += costs[first]
    # Round up to a step, so that the same first line serves while the next lines are typed.
    stepped = -(-first // _CUT_STEP_LINES) * _CUT_STEP_LINES
    if stepped < len(lines):
        first = stepped
    if first < len(lines):
        return "".join(lines[first:])
    # Not even the cursor's own line fits: its end does.
    return lines[-1].encode(errors="replace")[-room:].decode(errors="ignore") if room else ""


def _head(text: str, tokens: int) -> str:
    """Return the beginning of ``text`` within ``tokens``, up to the end of a line if a line fits."""
    if estimate_tokens(text) <= tokens:
        return text
    room = max(0, int((tokens - 1) * _BYTES_PER_TOKEN))
    size = 0
    kept: list[str] = []
    for line in text.splitlines(keepends=True):
        size += len(line.encode(errors="replace"))
        if size > room:
            break
        kept.append(line)
    if kept:
        return "".join(kept)
    return text.encode(errors="replace")[:room].decode(errors="ignore")
