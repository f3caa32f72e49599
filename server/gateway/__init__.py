"""The team server: everything that is reached over one HTTP port. The only part of Hearth that serves HTTP."""
