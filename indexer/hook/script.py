"""The lines that Hearth puts into a hook: plain POSIX shell, quick, silent, and without influence on its exit status.

They come first in the file. What the hook reads from standard input is written down and then handed on, so that a hook
that was there before sees exactly what it would have seen, and ends as it would have ended.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from indexer.errors import HookError
from indexer.queue.spool import LOCK, SUFFIX

BEGIN = "# >>> hearth >>> tells Hearth what changed; `hearth hooks uninstall` removes these lines"
END = "# <<< hearth <<<"
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"})
_BLOCK = """\
{begin}
{read}
if (
  umask 0002
  mkdir -p {spool} &&
  printf '%s\\n' "$hearth_refs" >{spool}/"$$.tmp" &&
  mv {spool}/"$$.tmp" {spool}/"$$-$(date +%s){suffix}" &&
  # One messenger takes whatever is there when it starts; only the first push after that starts another.
  mkdir {spool}/{lock}
) >/dev/null 2>&1 </dev/null; then
  (
    trap '' HUP
    exec {command}
  ) >/dev/null 2>&1 </dev/null &
fi
{hand_on}unset hearth_refs
{end}
"""
_READ_PUSH = "hearth_refs=$(cat)"
_READ_HEAD = "hearth_refs=$(echo HEAD; git symbolic-ref --quiet HEAD 2>/dev/null || :)"
_HAND_ON = """\
if [ -n "$hearth_refs" ]; then
  exec <<HEARTH_REFS
$hearth_refs
HEARTH_REFS
fi
"""


def with_block(existing: str | None, *, spool: Path, command: Sequence[str], from_push: bool, path: Path) -> str:
    """Return the text of a hook with our lines in it, in place of those of an earlier installation.

    Args:
        existing: The text of the hook that is there, if any.
        spool: Where pushes are written down.
        command: What takes them from there, started in the background.
        from_push: The hook gets lines on standard input, as ``post-receive`` does.
        path: The hook's file, for messages.

    Raises:
        HookError: The hook is not a shell script, or our lines in it were changed beyond recognition.
    """
    rest = without_block(existing, path) if existing is not None else None
    first, body = _split(rest, path) if rest else ("#!/bin/sh\n", "")
    block = _BLOCK.format(
        begin=BEGIN,
        read=_READ_PUSH if from_push else _READ_HEAD,
        spool=shlex.quote(str(spool)),
        suffix=SUFFIX,
        lock=LOCK,
        command=shlex.join(command),
        hand_on=_HAND_ON if from_push else "",
        end=END,
    )
    return first + block + body


def without_block(text: str, path: Path) -> str:
    """Return the text of a hook without our lines; only a shebang that would be left over goes too.

    Raises:
        HookError: The first of our lines is there and the last is not.
    """
    before, begin, rest = text.partition(BEGIN + "\n")
    if not begin:
        return text
    _, end, after = rest.partition(END + "\n")
    if not end:
        raise HookError(
            f"{path} has the first line of Hearth's block and not the last", advice="Remove the block by hand."
        )
    left = before + after
    return "" if left.strip() == "#!/bin/sh" else left


def _split(text: str, path: Path) -> tuple[str, str]:
    """Return the shebang line and what follows it."""
    first, newline, body = text.partition("\n")
    words = first.removeprefix("#!").split()
    if not first.startswith("#!") or not words:
        raise _not_shell(path, "does not begin with #!")
    program = Path(words[0]).name
    if program == "env":
        program = next((Path(word).name for word in words[1:] if not word.startswith("-")), "")
    if program not in _SHELLS:
        raise _not_shell(path, f"is run by {program or 'an unknown program'}")
    return first + "\n", body if newline else ""


def _not_shell(path: Path, what: str) -> HookError:
    return HookError(
        f"{path} {what}, and Hearth adds its lines to shell scripts only",
        advice="Rename it, let a shell script of its old name call it, and install again.",
    )
