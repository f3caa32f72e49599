"""Indexing and search over git repositories: from blobs to chunks, symbols, vectors and answers."""
