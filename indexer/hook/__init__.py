"""News of pushes: hooks in repositories that Hearth can reach, and webhooks of the forges that keep the others."""
