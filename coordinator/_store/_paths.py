"""Which path a session file may have, and that one file is open under one name only."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

from .._core._errors import ArgumentTypeError, PathError, StrPath
from ._system import System

Identity = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""

_HINTS = {
    errno.EACCES: "give this user the right to read and write it",
    errno.EPERM: "give this user the right to read and write it",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EMFILE: "too many open files: raise `ulimit -n`, or open fewer sessions",
    errno.ENFILE: "too many open files on this machine",
    errno.ENAMETOOLONG: "choose a shorter name (the lock file's is a little longer)",
    errno.ENOTDIR: "a part of the path is no directory",
    errno.ENOENT: "make the directory first, or pass `root` to have directories below it made",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room: the quota is used up",
}


def path_error(path: StrPath, error: OSError, doing: str) -> PathError:
    """Turn an error of the operating system into ours, with a hint that fits."""
    hint = _HINTS.get(error.errno or 0, "look at the path and at the disk")
    ours = PathError(f"{doing} failed: {error.strerror or error}", path=path, hint=hint)
    ours.errno = error.errno
    ours.__cause__ = error
    return ours


def session_path(path: StrPath, *, root: StrPath | None = None) -> Path:
    """Return the one absolute path of a session file: its directory resolved, its last component as it is.

    Raises `PathError` for a symbolic link as the last component, and for a path that is not inside `root`.
    """
    given = _as_path(path)
    try:
        resolved = given.parent.resolve() / given.name
        link = resolved.is_symlink()
        inside = root is None or resolved.parent.is_relative_to(Path(root).resolve())
    except OSError as error:
        raise path_error(path, error, "resolving the path") from error
    except (RuntimeError, ValueError) as error:
        raise PathError(f"no usable path: {error}", path=path, hint="look at the directories of the path") from error
    if link:
        raise PathError("the path is a symbolic link", path=path, hint="open the file it points to")
    if not inside:
        raise PathError(f"the path is outside of {root}", path=path, hint="choose a path inside the coordinator's root")
    return given if given == resolved else resolved  # a path weighs more than it looks: share it


def _as_path(path: StrPath) -> Path:
    try:
        given = path if isinstance(path, Path) else Path(path)
    except TypeError as error:
        raise ArgumentTypeError(f"not a path: {path!r}", hint="pass a str or a Path") from error
    if given.name in ("", "..") or "\0" in str(given):
        raise PathError("the path names no file", path=given, hint="name a file, such as session.jsonl")
    return given


def prepare_directory(system: System, path: Path, *, root: StrPath | None, create: bool) -> list[Path]:
    """Make sure that the file's directory is there; below `root` what is missing is made.

    Returns the directories that got a new name in them, and so have to be synced. Raises `PathError`.
    """
    top = None if root is None else Path(root).resolve()
    missing: list[Path] = []
    directory = path.parent
    while create and top is not None and directory != top and directory.is_relative_to(top) and not directory.exists():
        missing.append(directory)
        directory = directory.parent
    try:
        for new in reversed(missing):
            _make_directory(system, new)
        if not stat.S_ISDIR(os.stat(path.parent).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise path_error(path, error, "reaching the directory") from error
    return [new.parent for new in missing]


def _make_directory(system: System, path: Path) -> None:
    try:
        system.make_directory(path)
    except FileExistsError:
        if not path.is_dir():
            raise


def identity(found: os.stat_result) -> Identity:
    """Say which file a stat is about."""
    return found.st_dev, found.st_ino


class OpenFiles:
    """The files this process has open as sessions: a hard link is a second name, and a second queue would not know."""

    def __init__(self) -> None:
        self._names: dict[Identity, list[Path]] = {}
        self._lock = threading.Lock()

    def check(self, file: Identity, path: Path) -> None:
        """Raise `PathError` if this file is open under another name."""
        names = self._names.get(file, [path])
        if path not in names:
            hint = f"use {names[0]}: two names of one file would be two queues"
            raise PathError(f"this file is open already as {names[0]}", path=path, hint=hint)

    def claim(self, file: Identity, path: Path) -> None:
        """Take a file for a name, once for each descriptor; `PathError` if another name has it."""
        with self._lock:
            self.check(file, path)
            self._names.setdefault(file, []).append(path)

    def release(self, file: Identity) -> None:
        """Give back what was claimed once."""
        with self._lock:
            names = self._names.get(file, [])
            if len(names) > 1:
                names.pop()
            else:
                self._names.pop(file, None)

    def forget(self) -> None:
        """Start afresh in a forked child, which owns none of its parent's sessions."""
        self._names.clear()
        self._lock = threading.Lock()


open_files = OpenFiles()
os.register_at_fork(after_in_child=open_files.forget)
