"""The foreign writer: a program that appends to a session file and knows nothing of us."""

from __future__ import annotations

import os

StrPath = str | os.PathLike[str]


def foreign_append(path: StrPath, content: bytes) -> int:
    """Append bytes as a program that knows nothing of us does, and return the offset behind them."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, content)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)
