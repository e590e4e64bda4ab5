"""A disk that remembers everything: one file, served through FUSE, whose every write and flush is logged in order.

The file is the whole file system (a FUSE mount whose root is a regular file), and a loop device makes a disk of it.
The server answers one request after the other, so the order of the log is an order in which the writes may have
reached the disk, and a flush covers exactly the writes before it.
"""

import errno
import mmap
import os
import signal
import stat
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import kernel
from .log import Entry, Kind

IN_HEADER = struct.Struct("<IIQQIIIHH")
OUT_HEADER = struct.Struct("<IiQ")
INIT_OUT = struct.Struct("<IIIIHHIIHHII24x")
ATTRIBUTES = struct.Struct("<QQ44xIIIIIII")
READ_WRITE_IN = struct.Struct("<QQIIQII")
ROW = struct.Struct("<BQI")
BOARD = struct.Struct("<QB")

MAX_WRITE = 1 << 20
MAX_PAGES = 256
BIG_WRITES_AND_MAX_PAGES = 1 << 5 | 1 << 22
DIRECT_IO = 1

GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = 3, 4, 14, 15, 16, 17, 18, 20, 25, 26
UNANSWERED = (2, 36, 42)
"""FORGET, INTERRUPT and BATCH_FORGET."""


class Board:
    """What the server and the others tell each other, in shared memory: no message can come too late."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, BOARD.size)

    @property
    def written(self) -> int:
        """How many entries the log has."""
        return BOARD.unpack(self._memory)[0]

    @written.setter
    def written(self, value: int) -> None:
        self._memory[:8] = struct.pack("<Q", value)

    @property
    def fails(self) -> bool:
        """Whether a write of the marked bytes fails."""
        return bool(self._memory[8])

    @fails.setter
    def fails(self, value: bool) -> None:
        self._memory[8] = value


@dataclass
class Server:
    """Answers the kernel; runs in a process of its own."""

    fuse: int
    image: int
    log: int
    board: Board
    mark: bytes
    """Writes that hold these bytes can be made to fail: it is how a test finds the data of a file."""
    _answers: dict[int, Callable[[bytes], bytes]] = field(init=False)

    def __post_init__(self) -> None:
        self._answers = {
            INIT: self._init,
            GETATTR: self._attributes,
            SETATTR: self._attributes,
            OPEN: lambda _: struct.pack("<QII", 1, DIRECT_IO, 0),
            READ: self._read,
            WRITE: self._write,
            STATFS: lambda _: struct.pack("<QQQQQIIII24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0),
            RELEASE: lambda _: b"",
            FLUSH: lambda _: b"",
            FSYNC: self._flush,
        }

    def serve(self) -> None:
        """Answer until the mount is gone."""
        while True:
            try:
                request = os.read(self.fuse, MAX_WRITE + 8192)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                raise
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        _, opcode, unique, *_ = IN_HEADER.unpack_from(request)
        if opcode in UNANSWERED:
            return
        answer, body, error = self._answers.get(opcode, _refuse), b"", 0
        try:
            body = answer(request[IN_HEADER.size :])
        except OSError as failure:
            error = failure.errno or errno.EIO
        os.write(self.fuse, OUT_HEADER.pack(OUT_HEADER.size + len(body), -error, unique) + body)

    def _init(self, _: bytes) -> bytes:
        return INIT_OUT.pack(7, 31, 0, BIG_WRITES_AND_MAX_PAGES, 16, 12, MAX_WRITE, 1, MAX_PAGES, 0, 0, 0)

    def _attributes(self, _: bytes) -> bytes:
        size = os.fstat(self.image).st_size
        attributes = ATTRIBUTES.pack(1, size, stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)
        return struct.pack("<QII", 3600, 0, 0) + attributes

    def _read(self, body: bytes) -> bytes:
        _, offset, size, *_ = READ_WRITE_IN.unpack_from(body)
        return os.pread(self.image, size, offset)

    def _write(self, body: bytes) -> bytes:
        _, offset, size, *_ = READ_WRITE_IN.unpack_from(body)
        data = body[READ_WRITE_IN.size :][:size]
        if self.board.fails and self.mark in data:
            raise OSError(errno.EIO, "a bad sector")
        os.pwrite(self.image, data, offset)
        self._note(Kind.WRITE, offset, data)
        return struct.pack("<II", size, 0)

    def _flush(self, _: bytes) -> bytes:
        self._note(Kind.FLUSH, 0, b"")
        return b""

    def _note(self, kind: Kind, offset: int, data: bytes) -> None:
        os.write(self.log, ROW.pack(kind, offset, len(data)) + data)
        self.board.written += 1


def _refuse(_: bytes) -> bytes:
    raise OSError(errno.ENOSYS, "not needed")


class LoggedDisk:
    """The disk, as the tests see it: a block device, and the log of what it was given."""

    def __init__(self, directory: Path, image: Path, mark: bytes) -> None:
        self.board = Board()
        self._log = directory / "log"
        self._place = directory / "served"
        self._place.touch()
        self._server = self._start(image, mark)
        self._loop = kernel.Loop(self._place)
        self.device = self._loop.device

    def _start(self, image: Path, mark: bytes) -> int:
        try:
            fuse = os.open("/dev/fuse", os.O_RDWR)
            kernel.mount("logged", self._place, "fuse", f"fd={fuse},rootmode=100600,user_id=0,group_id=0")
        except OSError as error:
            raise kernel.MissingError(f"FUSE (/dev/fuse: {error})") from error
        files = (os.open(image, os.O_RDWR), os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
        child = os.fork()
        if child == 0:
            _serve_until_the_end(partial(Server(fuse, *files, self.board, mark).serve))
        for fd in (fuse, *files):
            os.close(fd)
        return child

    def entries(self) -> list[Entry]:
        """Read the log."""
        content, at, entries = self._log.read_bytes(), 0, []
        while at < len(content):
            kind, offset, size = ROW.unpack_from(content, at)
            at += ROW.size
            entries.append(Entry(Kind(kind), offset, content[at : at + size]))
            at += size
        return entries

    def close(self) -> None:
        """Take the disk away, once it is unmounted."""
        self._loop.close()
        kernel.unmount(self._place)
        os.waitpid(self._server, 0)


def _serve_until_the_end(serve: Callable[[], None]) -> None:
    kernel.die_with_the_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the file system above still has to be unmounted
    try:
        serve()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child must not go on as a second parent, whatever happens
        traceback.print_exc()
        os._exit(1)
