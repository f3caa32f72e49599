"""The corpus of one repository at one ref: its tokens, searchable by the context they stand in.

The embedded engine completes from it. A corpus is one memory-mapped file that holds the text of the indexed files,
their tokens, a sorted vocabulary and two suffix arrays over *reversed* contexts: one of the tokens as they are, one
with rare identifiers abstracted, so that code of the same shape is found whatever its names.
"""

from indexer.corpus.build import CorpusFile, build_corpus, content_name, known_blobs
from indexer.corpus.corpus import Corpus

__all__ = ["Corpus", "CorpusFile", "build_corpus", "content_name", "known_blobs"]
