"""The only door of the command line to what is not public: to see what an opening would do, without opening.

Everything else here is written with public names, like anybody's gateway.
"""

from coordinator._core._events import SessionClosed, SessionOpened
from coordinator._core._format import Draft
from coordinator._core._lines import LINE_BYTES_MAX, LINE_FEED, Line, LineSplitter, TailRepair
from coordinator._store._heal import find_repair
from coordinator._store._kinds import find_doubt
from coordinator._store._lock import find_owner, lock_path
from coordinator._store._paths import path_error, session_path
from coordinator._store._scan import find_lines
from coordinator._store._system import System

__all__ = [
    "LINE_BYTES_MAX",
    "LINE_FEED",
    "Draft",
    "Line",
    "LineSplitter",
    "SessionClosed",
    "SessionOpened",
    "System",
    "TailRepair",
    "find_doubt",
    "find_lines",
    "find_owner",
    "find_repair",
    "lock_path",
    "path_error",
    "session_path",
]
