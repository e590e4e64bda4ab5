"""Records how each turn went, and copies the records to a place of your choice: `TrajectorySync` is the plugin."""

from ._options import Options as Options
from ._plugin import TrajectorySync as TrajectorySync

__all__ = ["Options", "TrajectorySync"]
