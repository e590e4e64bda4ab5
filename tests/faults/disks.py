"""Small disks that really fill up, fail or become read-only. All but the file size limit need root."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOOL_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
FULL = 64 * 1024


def need(tool: str) -> str:
    """Return where a tool is, or skip the test with its name."""
    found = shutil.which(tool, path=TOOL_PATH)
    if found is None:
        pytest.skip(f"needs {tool}")
    return found


def run(tool: str, *arguments: object) -> None:
    """Run a tool that may need rights; a machine that does not let us is a reason to skip."""
    command = [need(tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a machine that permits {' '.join(map(str, [tool, *arguments]))}: {done.stderr.strip()}")


@dataclass
class Disk:
    """A place for session files that can be filled, and given room again."""

    directory: Path
    fill: Callable[[], None]
    make_room: Callable[[], None]

    @property
    def session(self) -> Path:
        """Return where the session file goes."""
        return self.directory / "session.jsonl"

    @property
    def filler(self) -> Path:
        """Return the large file that takes the room."""
        return self.directory / "filler"


@dataclass
class Mounts:
    """The file systems that one test has mounted; unmounted at its end, the last one first."""

    home: Path
    places: list[Path] = field(default_factory=list)

    def mount(self, *arguments: object) -> Path:
        """Mount something at a new place."""
        if os.geteuid() != 0:
            pytest.skip("needs root")
        place = self.home / f"disk-{len(self.places)}"
        place.mkdir()
        run("mount", *arguments, place)
        self.places.append(place)
        return place

    def tmpfs(self, size: str) -> Path:
        """Mount memory as a disk."""
        return self.mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    def image(self, megabytes: int, maker: str, *options: str, where: Path | None = None, mounting: str = "") -> Path:
        """Mount a file with a new file system."""
        image = (where or self.home) / f"image-{len(self.places)}"
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        run(maker, "-q", *options, image)
        return self.mount("-o", f"loop{mounting}", image)

    def unmount(self) -> None:
        """Give everything back."""
        for place in reversed(self.places):
            subprocess.run([need("umount"), "-l", place], check=True)


def fillable(directory: Path) -> Disk:
    """Return a disk that is filled by one large file, to a part of the last block."""
    filler = directory / "filler"

    def fill() -> None:
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(64)):
                pass

    return Disk(directory, fill, filler.unlink)


def tmpfs(mounts: Mounts) -> Disk:
    """64 KiB of memory: a true short write, then ENOSPC."""
    return fillable(mounts.tmpfs("64k"))


def ext4(mounts: Mounts) -> Disk:
    """A small ext4 on a loop device."""
    return fillable(mounts.image(8, "mkfs.ext4"))


def btrfs_quota(mounts: Mounts) -> Disk:
    """A btrfs with a quota, which refuses with EDQUOT."""
    top = mounts.image(128, "mkfs.btrfs")
    directory = top / "limited"
    run("btrfs", "quota", "enable", top)
    run("btrfs", "subvolume", "create", directory)

    def fill() -> None:
        run("btrfs", "qgroup", "limit", "256k", directory)
        fillable(directory).fill()

    return Disk(directory, fill, lambda: run("btrfs", "qgroup", "limit", "none", directory))


def file_size_limit(mounts: Mounts) -> Disk:
    """A limit on the size of files (`ulimit -f`), which refuses with EFBIG; the kernel's own way to a short write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    disk = Disk(mounts.home, lambda: None, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before))
    disk.fill = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (disk.session.stat().st_size + 1000, before[1]))
    return disk
