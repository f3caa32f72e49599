"""``python -m server.config docs/configuration.md`` writes the tables of that page again from the classes."""

import sys
from pathlib import Path

from server.config.reference import markdown

BEGIN = "<!-- Written by `python -m server.config docs/configuration.md` from here on. -->\n"


def main(page: Path) -> None:
    """Replace everything after the marker line of ``page``."""
    kept, marker, _ = page.read_text(encoding="utf-8").partition(BEGIN)
    if not marker:
        sys.exit(f"{page} has no line {BEGIN.strip()!r}")
    page.write_text(f"{kept}{marker}\n{markdown()}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
