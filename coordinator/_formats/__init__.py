"""The record formats that come with the library; a new one is a subclass of `RecordFormat`."""

from ._pi import PiFormat
from ._plain import PlainFormat

PLAIN = PlainFormat()
"""Any JSON object, nothing added."""
PI = PiFormat()
"""The tree format of pi and OpenClaw session files, version 3."""

__all__ = ["PI", "PLAIN"]
