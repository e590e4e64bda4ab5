"""Full-text search over every session: `MemoryIndex` is the plugin, `search` what it is for."""

from ._database import Hit as Hit
from ._options import Options as Options
from ._plugin import MemoryIndex as MemoryIndex

__all__ = ["Hit", "MemoryIndex", "Options"]
