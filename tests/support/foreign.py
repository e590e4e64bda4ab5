r"""A foreign writer as a real second process, that does one act when it is told to and says when it has been done.

    with ForeignProcess(path) as foreign:
        foreign.append(b'{"type":"custom","id":"theirs"}\n')

Every call returns when the act is over, so a test orders what happens without ever waiting for time to pass. The
process is a plain script of the standard library: it knows nothing of the library, as foreign writers do.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ForeignProcess:
    """The other process: each method is one act on the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        command = [sys.executable, "-I", __file__, str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the process end, and wait for it."""
        self._process.communicate()
        assert self._process.returncode == 0, "the foreign process failed"

    def _order(self, act: str, *arguments: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([act, *arguments]).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the foreign process died; what it died of stands in its standard error"
        answer = json.loads(line)
        if answer["error"] is not None:
            raise OSError(*answer["error"])
        return answer["result"]

    # Appending

    def append(self, content: bytes) -> int:
        """Append bytes in one write; return the offset behind them."""
        return self._order("append", content.decode("latin-1"))

    def append_record(self, *, chained: bool = True, **keys: object) -> dict[str, Any]:
        """Append a whole `PI` record after the leaf (or as a root, if not `chained`) and return it; `keys` win."""
        return self._order("append_record", chained, keys)

    def append_half(self, content: bytes, cut: int | None = None) -> Callable[[], int]:
        """Append the first part of some bytes, and return what appends the rest, as a full buffer would."""
        cut = len(content) // 2 if cut is None else cut
        self.append(content[:cut])
        return lambda: self.append(content[cut:])

    # Changing what is there

    def edit_byte(self, offset: int | None = None, *, restore_times: bool = False) -> int:
        """Change one byte at the same length, by default a letter in the middle; return its offset."""
        return self._order("edit_byte", offset, restore_times)

    def map_dirty(self) -> None:
        """Map the file and make its pages dirty, so that the next edit through the map moves no time stamp."""
        self._order("map_dirty")

    def edit_map(self, offset: int | None = None) -> int:
        """Change one byte through a memory map; return its offset."""
        return self._order("edit_map", offset)

    def truncate(self, length: int) -> None:
        """Cut the file."""
        self._order("truncate", length)

    def truncate_and_grow(self, length: int, content: bytes) -> None:
        """Cut the file and write other bytes behind the cut."""
        self._order("truncate_and_grow", length, content.decode("latin-1"))

    def replace(self, content: bytes) -> None:
        """Rename a new file with this content over the old one."""
        self._order("replace", content.decode("latin-1"))

    def replace_same(self) -> None:
        """Rename a copy of the file over it: the same bytes under a new inode."""
        self._order("replace_same")

    def delete(self) -> None:
        """Remove the file."""
        self._order("delete")

    # What changes no content

    def touch(self) -> None:
        """Set the times to now."""
        self._order("touch")

    def chmod(self, mode: int) -> None:
        """Change the mode."""
        self._order("chmod", mode)

    def hard_link(self) -> Path:
        """Give the file a second name beside the first and return it; the first one's ctime moves."""
        return Path(self._order("hard_link"))

    def read(self) -> bytes:
        """Read the file, as any other program may."""
        return self._order("read").encode("latin-1")

    def open_and_hold(self) -> None:
        """Keep the file open until the end, so that it can be seen who has it."""
        self._order("open_and_hold")


class Acts:
    """What the process does when it is told to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.map: mmap.mmap | None = None
        self.held: list[int] = []

    def append(self, text: str) -> int:
        """Write with `O_APPEND`, in one call."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            content = text.encode("latin-1")
            assert os.write(descriptor, content) == len(content)
            return os.lseek(descriptor, 0, os.SEEK_CUR)
        finally:
            os.close(descriptor)

    def append_record(self, chained: bool, keys: dict[str, Any]) -> dict[str, Any]:
        """Do what a second session manager would do."""
        parent_id = self._leaf() if chained else None
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = {"role": "user", "content": [{"type": "text", "text": "from elsewhere"}]}
        stamps = {"id": uuid.uuid4().hex[:8], "parentId": parent_id, "timestamp": time}
        record = {"type": "message", **stamps, "message": message, **keys}
        self.append(json.dumps(record, separators=(",", ":")) + "\n")
        return record

    def edit_byte(self, offset: int | None, restore_times: bool) -> int:
        """Write one other byte over the one that is there."""
        times = os.stat(self.path)
        offset, byte = self._edit(offset)
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, byte, offset)
        finally:
            os.close(descriptor)
        if restore_times:
            os.utime(self.path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return offset

    def map_dirty(self) -> None:
        """Store the bytes that are there already: the content stays, the pages become dirty."""
        descriptor = os.open(self.path, os.O_RDWR)
        self.map = mmap.mmap(descriptor, 0)
        os.close(descriptor)
        for page in range(0, len(self.map), mmap.PAGESIZE):
            self.map[page] = self.map[page]

    def edit_map(self, offset: int | None) -> int:
        """Store one other byte."""
        if self.map is None:
            self.map_dirty()
        assert self.map is not None
        offset, byte = self._edit(offset)
        self.map[offset : offset + 1] = byte
        return offset

    def truncate(self, length: int) -> None:
        """Cut."""
        os.truncate(self.path, length)

    def truncate_and_grow(self, length: int, text: str) -> None:
        """Cut, then append."""
        os.truncate(self.path, length)
        self.append(text)

    def replace(self, text: str) -> None:
        """Write beside, rename over."""
        beside = f"{self.path}.beside"
        with open(beside, "wb") as file:
            file.write(text.encode("latin-1"))
        os.chmod(beside, os.stat(self.path).st_mode)
        os.replace(beside, self.path)

    def replace_same(self) -> None:
        """Restore a backup of this very moment."""
        self.replace(self.read())

    def delete(self) -> None:
        """Unlink."""
        os.unlink(self.path)

    def touch(self) -> None:
        """Move both times."""
        os.utime(self.path)

    def chmod(self, mode: int) -> None:
        """Change the mode."""
        os.chmod(self.path, mode)

    def hard_link(self) -> str:
        """Link."""
        name = f"{self.path}.link-{uuid.uuid4().hex[:8]}"
        os.link(self.path, name)
        return name

    def read(self) -> str:
        """Read everything."""
        return self._content().decode("latin-1")

    def open_and_hold(self) -> None:
        """Keep a descriptor."""
        self.held.append(os.open(self.path, os.O_RDONLY))

    def _leaf(self) -> str | None:
        for line in reversed(self._content().split(b"\n")):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            return None if record["type"] == "session" else record["id"]
        return None

    def _content(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()

    def _edit(self, offset: int | None) -> tuple[int, bytes]:
        content = self._content()
        if offset is None:
            offset = next(
                place for place in range(len(content) // 2, len(content)) if content[place : place + 1].isalpha()
            )
        byte = content[offset : offset + 1]
        return offset, byte.swapcase() if byte.isalpha() else bytes([byte[0] ^ 1])


def serve(acts: Acts) -> None:
    """Do act after act, and answer each when it is over."""
    for order in sys.stdin.buffer:
        act, *arguments = json.loads(order)
        answer: dict[str, Any] = {"result": None, "error": None}
        try:
            answer["result"] = getattr(acts, act)(*arguments)
        except OSError as error:
            answer["error"] = [error.errno, error.strerror, error.filename]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Acts(sys.argv[1]))
