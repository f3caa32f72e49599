"""What is to be indexed: the registered repositories, and the durable queue of work on them.

Both live in a database of their own, so that throwing the index away forgets neither. Everything here blocks; call it
off an event loop. One object may be used by several threads.
"""

from __future__ import annotations

from indexer.queue.deliveries import Delivery
from indexer.queue.jobs import Claim, Job, JobKind, JobState
from indexer.queue.queue import Queue
from indexer.queue.registry import Origin, Repository

__all__ = ["Claim", "Delivery", "Job", "JobKind", "JobState", "Origin", "Queue", "Repository"]
