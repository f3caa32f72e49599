"""What the indexer keeps in a data directory."""

from __future__ import annotations

from indexer.backup.parts import Keeping, Part, PartKind
from indexer.backup.restoring import SET_ASIDE, STAGING
from indexer.embed import REMOTE_VERSION
from indexer.queue.database import DATABASE as QUEUE
from indexer.queue.database import SCHEMA as QUEUE_SCHEMA
from indexer.store.damage import NEW, NOTE
from indexer.store.database import DATABASE as INDEX
from indexer.store.database import SCHEMA as INDEX_SCHEMA

INDEXER_PARTS = (
    Part(QUEUE, Keeping.ALWAYS, "registered repositories and what waits", PartKind.DATABASE, QUEUE_SCHEMA),
    Part(INDEX, Keeping.WITH_INDEX, "the index", PartKind.DATABASE, INDEX_SCHEMA),
    Part("lexical", Keeping.WITH_INDEX, "its words", PartKind.TREE),
    Part("vectors", Keeping.WITH_INDEX, "its vectors", PartKind.TREE),
    Part("corpora", Keeping.WITH_INDEX, "what the embedded engine reads", PartKind.TREE),
    Part("mirrors", Keeping.WITH_INDEX, "mirrors of remote repositories", PartKind.TREE),
    Part(REMOTE_VERSION, Keeping.WITH_INDEX, "which embedding model the vectors are of"),
    Part("*.lock", Keeping.NEVER, "locks of processes that run"),
    Part("worker.pid", Keeping.NEVER, "the process that writes to the index"),
    Part(NOTE, Keeping.NEVER, "what damage of the index was met"),
    Part(f"{NEW}*", Keeping.NEVER, "an index on its way into the place of a damaged one", PartKind.TREE),
    Part("logs", Keeping.NEVER, "logs", PartKind.TREE),
    Part(f"{STAGING}*", Keeping.NEVER, "a restore on its way", PartKind.TREE),
    Part(f"{SET_ASIDE}*", Keeping.NEVER, "what a restore set aside", PartKind.TREE),
)
