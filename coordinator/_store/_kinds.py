"""What kind of file system a session file lies on: on some, locks, inodes and times mean less than they should.

Nothing is refused there, but it is said at opening, and no verdict rests on metadata alone. Where the kind cannot be
known (there is no mount table, or it cannot be read) nothing is said.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_SHARED = "a lock may not hold against other machines, and what they write may be seen late"
_NAMELESS = "inode numbers are made up while the file is in use, and times are coarse"
_FOREIGN = "locks, inodes and times are as good as the program behind it makes them"
_DOUBTS = {
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ncpfs", "vboxsf", "prl_fs"), _SHARED),
    **dict.fromkeys(("vfat", "msdos", "exfat"), _NAMELESS),
    **dict.fromkeys(("fuse", "fuseblk", "virtiofs"), _FOREIGN),
}
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def find_doubt(path: Path) -> str | None:
    """Say why metadata cannot be relied on where this path is; None if there is no reason to think so."""
    try:
        kind = kind_at(MOUNTS.read_bytes(), path)
    except (OSError, ValueError, IndexError):
        return None
    doubt = _DOUBTS.get(kind.partition(".")[0])
    return None if doubt is None else f"the file system is {kind}: {doubt}; contents are compared in full"


def kind_at(mounts: bytes, path: Path) -> str:
    """Name the kind of file system that holds a path; of two mounts at one place the later one covers the other."""
    place, longest, kind = os.fsencode(path), -1, b""
    for line in mounts.splitlines():
        before, after = line.split(b" - ", 1)
        point = _ESCAPED.sub(_unescape, before.split(b" ")[4]).rstrip(b"/") + b"/"
        if place.startswith(point) and len(point) >= longest:
            longest, kind = len(point), after.split(b" ", 1)[0]
    return os.fsdecode(kind)


def _unescape(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 8)])
