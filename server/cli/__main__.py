"""``python -m server.cli`` is the ``hearth`` command."""

from server.cli.app import main

main()
