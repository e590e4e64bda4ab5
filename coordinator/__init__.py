"""One queue owns every append to a session file; a fence drains it before a model call and finds foreign writers.

Start at `Coordinator`. Everything that is not named here is private.
"""

from ._coordinator import Coordinator as Coordinator
from ._core._errors import ClosedError as ClosedError
from ._core._errors import CoordinatorError as CoordinatorError
from ._core._errors import DrainTimeoutError as DrainTimeoutError
from ._core._errors import FenceOrderError as FenceOrderError
from ._core._errors import FenceTimeoutError as FenceTimeoutError
from ._core._errors import FormatError as FormatError
from ._core._errors import LockedError as LockedError
from ._core._errors import PathError as PathError
from ._core._errors import PositionLostError as PositionLostError
from ._core._errors import QueueFullError as QueueFullError
from ._core._errors import RecordError as RecordError
from ._core._errors import TakeoverError as TakeoverError
from ._core._errors import WriteFailedError as WriteFailedError
from ._core._events import Event as Event
from ._core._format import RecordFormat as RecordFormat
from ._core._limits import Limits as Limits
from ._core._values import Change as Change
from ._core._values import Durability as Durability
from ._core._values import Entry as Entry
from ._core._values import Outcome as Outcome
from ._core._values import Position as Position
from ._core._values import Receipt as Receipt
from ._core._values import Record as Record
from ._core._values import Revision as Revision
from ._core._values import SessionState as SessionState
from ._fence import Fence as Fence
from ._formats import PI as PI
from ._formats import PLAIN as PLAIN
from ._hooks import hookimpl as hookimpl
from ._reopening import Reopened as Reopened
from ._session import Session as Session
from ._statistics import CoordinatorStatistics as CoordinatorStatistics
from ._statistics import SessionStatistics as SessionStatistics
from ._writer import PendingReceipt as PendingReceipt
from ._writer import Writer as Writer
from .observers import Observer as Observer

__all__ = [
    "PI",
    "PLAIN",
    "Change",
    "ClosedError",
    "Coordinator",
    "CoordinatorError",
    "CoordinatorStatistics",
    "DrainTimeoutError",
    "Durability",
    "Entry",
    "Event",
    "Fence",
    "FenceOrderError",
    "FenceTimeoutError",
    "FormatError",
    "Limits",
    "LockedError",
    "Observer",
    "Outcome",
    "PathError",
    "PendingReceipt",
    "Position",
    "PositionLostError",
    "QueueFullError",
    "Receipt",
    "Record",
    "RecordError",
    "RecordFormat",
    "Reopened",
    "Revision",
    "Session",
    "SessionState",
    "SessionStatistics",
    "TakeoverError",
    "WriteFailedError",
    "Writer",
    "hookimpl",
]
