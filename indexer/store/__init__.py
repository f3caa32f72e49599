"""What the index keeps: metadata in SQLite, words in tantivy, vectors in FAISS."""
