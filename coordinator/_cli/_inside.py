"""The only door of the command line to what is not public: to see what an opening would do, without opening.

Everything else here is written with public names, like anybody's gateway.
"""

from coordinator._core._errors import ArgumentValueError as ArgumentValueError
from coordinator._core._events import SessionOpened as SessionOpened
from coordinator._core._lines import LINE_BYTES_MAX as LINE_BYTES_MAX
from coordinator._core._lines import LINE_FEED as LINE_FEED
from coordinator._core._lines import Line as Line
from coordinator._core._lines import LineSplitter as LineSplitter
from coordinator._core._lines import TailRepair as TailRepair
from coordinator._store._heal import find_repair as find_repair
from coordinator._store._lock import find_owner as find_owner
from coordinator._store._lock import lock_path as lock_path
from coordinator._store._paths import path_error as path_error
from coordinator._store._paths import session_path as session_path
from coordinator._store._system import System as System
