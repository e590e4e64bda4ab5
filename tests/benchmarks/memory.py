"""How much memory something takes, from the kernel's own account (0 where it keeps none)."""

import ctypes
import gc
import os
import sys
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SMALL_BLOCK_BYTES_MAX = 512
"""Python keeps smaller objects in pools of its own; each is counted as the largest of them, so that none can hide."""


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def resident_bytes() -> int:
    """Return what this process has in memory now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def settled_bytes() -> int:
    """Return what is in memory and in use: without garbage, and without what the allocator keeps for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return resident_bytes()


def used_bytes() -> int:
    """Return what is in use, as the allocators count it: holes between what is in use are not, as they are in memory.

    Where the C library does not say, what is in memory has to do.
    """
    gc.collect()
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return settled_bytes()
    ask.restype = _Mallinfo2
    found = ask()
    return found.uordblks + found.hblkhd + sys.getallocatedblocks() * SMALL_BLOCK_BYTES_MAX


class Peak:
    """The most that was in memory since this was made, over what was there before."""

    def __init__(self) -> None:
        self._before = resident_bytes()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # starts the kernel's high-water mark afresh
        except OSError:
            self._before = 0

    def megabytes(self) -> float:
        """Return the peak so far."""
        if not self._before:
            return 0.0
        status = Path("/proc/self/status").read_text()
        peak_bytes = int(status.partition("VmHWM:")[2].split()[0]) * 1024
        return (peak_bytes - self._before) / 1e6
