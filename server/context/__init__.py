"""Context for completions: which code elsewhere explains the cursor.

Identifiers near the cursor are resolved through the file's imports and the symbol index first; words and vectors are
the fallback. Open files and recent edits join in; everything is fused, packed to a budget and kept in a stable order.
"""

from server.context.gatherer import ContextGatherer
from server.context.values import Dropped, GatheredContext, RecentEdit

__all__ = ["ContextGatherer", "Dropped", "GatheredContext", "RecentEdit"]
