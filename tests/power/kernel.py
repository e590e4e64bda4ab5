"""What Linux offers to root and Python does not: mounts nobody else sees, loop devices, a file system shut down."""

import ctypes
import fcntl
import os
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

CLONE_NEWNS = 0x0002_0000
MS_REC_PRIVATE = 0x0004_4000
LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
LOOP_CLR_FD = 0x4C01
LOOP_CONFIG_SIZE, LOOP_FLAGS_OFFSET, LOOP_VANISHES_WITH_ITS_USERS = 304, 60, 4
EXT4_IOC_SHUTDOWN = 0x8004587D
PR_SET_PDEATHSIG = 1
ATTEMPTS_MAX = 20


class MissingError(Exception):
    """This machine does not permit what these tests need; the text names it."""


def _call(name: str, *arguments: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _tried(what: str, attempt: Callable[[], Any]) -> Any:
    try:
        return attempt()
    except OSError as error:
        raise MissingError(f"{what} ({error})") from error


def leave_the_others() -> None:
    """Give this process, and its children, mounts of their own; they vanish with the last of them."""
    if os.geteuid() != 0:
        raise MissingError("root")
    _tried("a mount namespace (CAP_SYS_ADMIN)", partial(_call, "unshare", CLONE_NEWNS))
    _tried("a mount namespace (CAP_SYS_ADMIN)", partial(mount, "none", Path("/"), "", flags=MS_REC_PRIVATE))


def mount(source: str, place: Path, kind: str, options: str = "", *, flags: int = 0) -> None:
    """Mount something."""
    _call("mount", source.encode(), os.fsencode(place), kind.encode(), ctypes.c_ulong(flags), options.encode())


def unmount(place: Path) -> None:
    """Unmount what nobody uses any more."""
    _call("umount2", os.fsencode(place), 0)


def memory(place: Path) -> Path:
    """Mount memory as a fast place for images."""
    place.mkdir()
    _tried("tmpfs", partial(mount, "tmpfs", place, "tmpfs", "size=2g"))
    return place


class Loop:
    """A block device over a file; it goes away with its last user."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fd = -1
        self.device = ""
        _tried("loop devices (/dev/loop-control)", self._attach)

    def _attach(self) -> None:
        control = os.open("/dev/loop-control", os.O_RDWR)
        backing = os.open(self._file, os.O_RDWR)
        try:
            self._take(control, backing)
        finally:
            os.close(control)
            os.close(backing)

    def _take(self, control: int, backing: int) -> None:
        """Take a free device; somebody else may be quicker."""
        for attempt in range(ATTEMPTS_MAX):
            self.device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            self._fd = os.open(self.device, os.O_RDWR)
            try:
                fcntl.ioctl(self._fd, LOOP_CONFIGURE, self._configuration(backing))
            except OSError:
                os.close(self._fd)
                if attempt == ATTEMPTS_MAX - 1:
                    raise
            else:
                return

    @staticmethod
    def _configuration(backing: int) -> bytes:
        configuration = bytearray(LOOP_CONFIG_SIZE)
        struct.pack_into("<I", configuration, 0, backing)
        struct.pack_into("<I", configuration, LOOP_FLAGS_OFFSET, LOOP_VANISHES_WITH_ITS_USERS)
        return bytes(configuration)

    def close(self) -> None:
        """Let the device go, once it is unmounted."""
        with suppress(OSError):
            fcntl.ioctl(self._fd, LOOP_CLR_FD)
        os.close(self._fd)


def die_with_the_parent() -> None:
    """Be killed when the parent ends, however it ends: a server that stays would keep its mounts."""
    _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def write_back(place: Path) -> None:
    """Let the kernel write what it holds back, as it would by itself after a while."""
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _call("syncfs", fd)
    finally:
        os.close(fd)


@contextmanager
def mounted(image: Path, place: Path, options: str = "") -> Iterator[None]:
    """Mount the ext4 in a file; mounting replays its journal."""
    loop = Loop(image)
    try:
        mount(loop.device, place, "ext4", options)
        try:
            yield
        finally:
            unmount(place)
    finally:
        loop.close()


def shut_down(place: Path, *, flush_log: bool) -> None:
    """Stop a mounted ext4 as a power cut would: nothing reaches the device any more, with or without the journal."""
    how = 1 if flush_log else 2
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("<I", how))
    finally:
        os.close(fd)
