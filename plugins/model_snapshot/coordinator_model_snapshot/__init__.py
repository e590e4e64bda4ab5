"""Notes in each session which model answers from here on: `ModelSnapshot` is the plugin."""

from ._options import Options as Options
from ._plugin import ModelSnapshot as ModelSnapshot

__all__ = ["ModelSnapshot", "Options"]
