"""Special tokens that models leak into their text."""

from __future__ import annotations

import re
from collections.abc import Callable

_BAR = "\N{FULLWIDTH VERTICAL LINE}"

MARKERS: tuple[str, ...] = (
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|fim_begin|>",
    "<|fim_hole|>",
    "<|fim_end|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|file_separator|>",
    "<|cursor|>",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|end_of_text|>",
    "<|begin_of_text|>",
    "<|eot_id|>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<fim_pad>",
    "<fim-prefix>",
    "<fim-suffix>",
    "<fim-middle>",
    "<file_sep>",
    f"<{_BAR}fim▁begin{_BAR}>",
    f"<{_BAR}fim▁hole{_BAR}>",
    f"<{_BAR}fim▁end{_BAR}>",
    f"<{_BAR}begin▁of▁sentence{_BAR}>",
    f"<{_BAR}end▁of▁sentence{_BAR}>",
    "▁<PRE>",
    "▁<SUF>",
    "▁<MID>",
    "▁<EOT>",
    " <PRE>",
    " <SUF>",
    " <MID>",
    " <EOT>",
    "<EOT>",
    "</s>",
    "[PREFIX]",
    "[SUFFIX]",
    "[MIDDLE]",
    "<[fim-prefix]>",
    "<[fim-suffix]>",
    "<[fim-middle]>",
    "<[begin▁of▁sentence]>",
    "<[end▁of▁sentence]>",
    "<|code_prefix|>",
    "<|code_suffix|>",
    "<|code_middle|>",
    "<|start_of_role|>",
    "<|end_of_role|>",
    "</COMPLETION>",
)
"""Of Qwen, StarCoder, SantaCoder, DeepSeek, Code Llama, Codestral, CodeGemma, Granite, Llama, Mellum, Seed-Coder and
GLM models; not those that code may well have as text, such as ``<filename>``: they end a model's text by themselves.
"""

LONGEST_MARKER = max(map(len, MARKERS))

_ANY = re.compile("|".join(map(re.escape, MARKERS)))
_MAY_BEGIN = re.compile(f"[{re.escape(''.join(sorted({marker[0] for marker in MARKERS})))}]")
_BEGINNINGS: dict[str, tuple[str, ...]] = {}
for _marker in MARKERS:
    for _length in range(1, len(_marker)):
        _BEGINNINGS[_marker[:_length]] = (*_BEGINNINGS.get(_marker[:_length], ()), _marker)


def first_marker(text: str, meant: Callable[[str], bool]) -> int:
    """Return where the first special token stands that is not ``meant`` as text; -1 when there is none."""
    return next((found.start() for found in _ANY.finditer(text) if not meant(found.group())), -1)


def begun_marker(text: str, meant: Callable[[str], bool]) -> int:
    """Return the length of the longest end of ``text`` that may become a special token which is not ``meant``."""
    begins = _MAY_BEGIN.search(text, max(0, len(text) - LONGEST_MARKER + 1))
    for length in range(len(text) - begins.start() if begins is not None else 0, 0, -1):
        if not all(map(meant, _BEGINNINGS.get(text[-length:], ()))):
            return length
    return 0
