"""``.hearthignore``: files that a repository's owner keeps out of the index, in the syntax of ``.gitignore``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pathspec

IGNORE_FILE = ".hearthignore"


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one commit; a file deeper in the tree has the last word, as in git.

    ``specs`` maps a directory (``""`` for the top) to its compiled patterns.
    """

    specs: Mapping[str, pathspec.GitIgnoreSpec]

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> IgnoreRules:
        """Compile the rules from ``path of a .hearthignore → its text``; a line that is no pattern is skipped."""
        specs = {}
        for path, text in files.items():
            specs[path[: -len(IGNORE_FILE)].rstrip("/")] = _compile(text)
        return cls(specs)

    def ignored_by(self, path: str) -> str:
        """Return the path of the ``.hearthignore`` that leaves ``path`` out, or an empty string."""
        if not self.specs:
            return ""
        directory = path
        while directory:
            directory = directory.rpartition("/")[0]
            spec = self.specs.get(directory)
            if spec is not None:
                verdict = spec.check_file(path[len(directory) + 1 if directory else 0 :])
                if verdict.include is not None:
                    return f"{directory}/{IGNORE_FILE}".lstrip("/") if verdict.include else ""
        return ""


def _compile(text: str) -> pathspec.GitIgnoreSpec:
    lines = text.splitlines()
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError:
        usable = []
        for line in lines:
            try:
                pathspec.GitIgnoreSpec.from_lines([line])
            except ValueError:
                continue
            usable.append(line)
        return pathspec.GitIgnoreSpec.from_lines(usable)
