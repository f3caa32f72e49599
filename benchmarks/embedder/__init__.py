"""How the table of the static embedder is trained and judged; see ``indexer/embed/README.md``."""
