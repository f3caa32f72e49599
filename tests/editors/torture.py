"""Texts that are hard on an editor: what stands in a file, what is typed there, and what a model goes on with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Torture:
    """One text. Line ends of ``suggestion`` are LF, as models write them; the editor inserts those of the file.

    Attributes:
        name: What is hard about it.
        file: Name below the work tree.
        before: Text of the file up to the cursor.
        after: The rest of it.
        typed: What the user types there.
        suggestion: What is suggested then.
    """

    name: str
    file: str
    before: str
    after: str
    typed: str
    suggestion: str

    @property
    def text(self) -> str:
        """The file as it is at first."""
        return self.before + self.after

    @property
    def cursor(self) -> tuple[int, int]:
        """Where the user types: the line and the UTF-16 code unit in it, both from 1."""
        line = self.before.rpartition("\n")[2]
        return self.before.count("\n") + 1, len(line.encode("utf-16-le")) // 2 + 1

    @property
    def shown(self) -> str:
        """The suggestion as it is read from the screen, where lines are joined and tabs go to each fourth column."""
        line = (self.before + self.typed).rpartition("\n")[2]
        return (line + self.suggestion).expandtabs(4)[len(line.expandtabs(4)) :].replace("\n", "")

    @property
    def end_of_line(self) -> str:
        """What ends the file's lines."""
        return "\r\n" if "\r\n" in self.text else "\n"

    @property
    def asked(self) -> str:
        """The file when the suggestion is asked for."""
        return self.before + self.typed + self.after

    @property
    def taken(self) -> str:
        """The file once all of the suggestion was taken."""
        return self.before + self.typed + self.suggestion.replace("\n", self.end_of_line) + self.after


FAMILY = "👩‍👩‍👧"
"""One picture of three people, two joiners between them: eight UTF-16 code units."""
COMPOSED = "e\u0301n\u0303"
"""Two letters, each with a combining mark."""
HEBREW, ARABIC = "שלום עולם", "مرحبا"

TORTURE = (
    Torture(
        "CR LF, tabs and emoji",
        "torture/windows.py",
        f"def f():\r\n\tnames = '{FAMILY} {COMPOSED}'\r\n",
        "\r\nf()\r\n",
        "\t",
        "print('👋', names)\n\treturn names",
    ),
    Torture(
        "tabs within a line",
        "torture/tabs.go",
        "package torture\n\nvar table = []int{\n\t1,\t2,\t// two\n",
        "}\n",
        "\t3,\t4,\t",
        "5,\t// five",
    ),
    Torture(
        "emoji and combining characters before the cursor",
        "torture/emoji.py",
        f"{COMPOSED} = '🇪🇺'\nlabel = '{FAMILY} {COMPOSED} ",
        "\n",
        "👍🏽 ' + ",
        f"str('🎉 {COMPOSED}')",
    ),
    Torture(
        "right-to-left text",
        "torture/hebrew.py",
        f"title = '{HEBREW}'\ngreeting = '{HEBREW} {ARABIC}: ",
        "\n",
        "' + ",
        f"title + ' {ARABIC}'",
    ),
    Torture(
        "no newline at the end",
        "torture/end.py",
        "def twice(first):\n",
        "",
        "    ",
        "second = first\n    return first + second",
    ),
    Torture(
        "a very long line",
        "torture/long.py",
        f"row = [{'0, ' * 1_500}",
        f"{'1, ' * 1_500}]\n",
        "len(",
        "row), ",
    ),
)
