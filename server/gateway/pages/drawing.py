"""plotly's script, which draws the charts: where it is, when it is installed, and what it must find on a page.

It comes with plotly's package, which is no part of the default install. Nothing of plotly is imported.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_OWN_STYLES = re.compile(rb'document\.getElementById\("([0-9a-f]{64})"\)')


@dataclass(frozen=True, slots=True)
class Drawing:
    """The script that draws.

    Attributes:
        path: Where it lies.
        name: Its name below ``/static/``, another one for each version of it.
        styles: Ids of style elements that it would add, for maps. Our pages allow none; it adds none whose id is taken.
    """

    path: Path
    name: str
    styles: tuple[str, ...]


@cache
def find_drawing() -> Drawing | None:
    """Return it as it was when it was first asked for; None when plotly is not installed. Reads some megabytes."""
    found = find_spec("plotly")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            script = path.read_bytes()
            styles = dict.fromkeys(one.decode() for one in _OWN_STYLES.findall(script))
            return Drawing(path, f"plotly-{hashlib.sha256(script).hexdigest()[:16]}.js", tuple(styles))
    return None
