"""``python -m indexer.hook REPO``: what the hooks start in the background; ``hearth hooks notify`` for people.

Nobody reads what it prints: why news could not be delivered is kept in the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

from indexer.errors import IndexerError
from indexer.hook.messenger import deliver


def main() -> int:
    """Deliver what waits in the spool of one repository; returns the exit code of the process."""
    try:
        deliver(Path(sys.argv[1]))
    except IndexerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
