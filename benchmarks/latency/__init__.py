"""How long a developer waits, what Hearth adds to it, and what is computed in vain. See ``docs/benchmarks.md``."""
