"""What cannot be a session file is refused with path and hint, and nothing on the disk has changed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator import PI, PLAIN, Coordinator, FormatError, LockedError, PathError

from . import child
from .desk import check_clear, desk, note, snapshot


def _link(path: Path) -> None:
    target = path.with_name("target.jsonl")
    target.write_bytes(b'{"a":1}\n')
    path.symlink_to(target)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "a directory": Path.mkdir,
    "a symbolic link": _link,
    "a symbolic link to nothing": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "a socket": _socket,
}


@pytest.mark.parametrize("make", IN_THE_WAY.values(), ids=IN_THE_WAY)
async def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    """And nobody waits for the other end of a pipe."""
    monkeypatch.chdir(tmp_path)
    path = Path("s")
    make(path)
    before = snapshot(tmp_path)
    async with Coordinator() as coordinator:
        with pytest.raises(PathError) as caught:
            async with asyncio.timeout(10):
                await coordinator.open(path)
        assert isinstance(caught.value, OSError)
        assert caught.value.path is not None
        assert caught.value.path.name == "s"
        assert caught.value.hint
        assert not coordinator.sessions
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("nowhere/session.jsonl", errno.ENOENT),
        ("file/session.jsonl", errno.ENOTDIR),
        ("x" * 300, errno.ENAMETOOLONG),
        ("", None),
        ("..", None),
        ("a\0b", None),
    ],
)
async def test_a_path_that_cannot_be_is_refused(tmp_path: Path, name: str, number: int | None) -> None:
    """No directory is made outside of a root."""
    (tmp_path / "file").touch()
    before = snapshot(tmp_path)
    async with Coordinator() as coordinator:
        with pytest.raises(PathError) as caught:
            await coordinator.open(f"{tmp_path}/{name}" if name else "")
        assert caught.value.hint
        assert caught.value.errno == number
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
async def test_what_is_no_path_is_a_type_error(wrong: Any) -> None:
    """As everywhere in Python."""
    async with Coordinator() as coordinator:
        with pytest.raises(TypeError) as caught:
            await coordinator.open(wrong)
        check_clear(caught.value, None)


@pytest.mark.parametrize("name", ["../outside.jsonl", "door/outside.jsonl", "/tmp/outside.jsonl"])
async def test_a_path_outside_of_the_root_is_refused(tmp_path: Path, name: str) -> None:
    """Neither by dots nor through a link, and no directory is made on the way."""
    root, outside = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    outside.mkdir()
    (root / "door").symlink_to(outside)
    before = snapshot(tmp_path)
    async with Coordinator(root=root) as coordinator:
        with pytest.raises(PathError, match="outside") as caught:
            await coordinator.open(root / name)
        check_clear(caught.value, root / name)
    assert snapshot(tmp_path) == before


async def test_directories_below_the_root_are_made_for_us_alone(tmp_path: Path) -> None:
    """0700 for the directories, 0600 for the file."""
    async with Coordinator(root=tmp_path) as coordinator:
        session = await coordinator.open(tmp_path / "a" / "b" / "s.jsonl")
        await session.writer("w").append({})
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/s.jsonl")]
    assert modes == [0o700, 0o700, 0o600]


async def test_a_file_that_must_exist_is_not_made(session_path: Path) -> None:
    """`create=False` refuses a path without a file."""
    async with Coordinator() as coordinator:
        with pytest.raises(PathError) as caught:
            await coordinator.open(session_path, create=False)
        check_clear(caught.value, session_path)
    assert list(session_path.parent.iterdir()) == []


async def test_one_file_is_open_under_one_name(session_path: Path) -> None:
    """A hard link would be a second queue for the same bytes."""
    second = session_path.with_name("second.jsonl")
    async with desk(session_path) as home:
        await home.chat.append(note("first"))
        second.hardlink_to(session_path)
        before = snapshot(session_path.parent)
        async with Coordinator() as coordinator:
            with pytest.raises(PathError, match=session_path.name) as caught:
                await coordinator.open(second, format=PI)
            check_clear(caught.value, second)
        assert snapshot(session_path.parent) == before
        await home.chat.append(note("second"))


async def test_a_header_is_not_for_every_format(session_path: Path) -> None:
    """And one that no reader would take is refused before there is a file."""
    async with Coordinator() as coordinator:
        for header, record_format in (({"a": 1}, PLAIN), ({"version": 2}, PI), ({"id": 5}, PI), ("text", PI)):
            with pytest.raises(ValueError, match="header") as caught:
                await coordinator.open(session_path, format=record_format, header=header)  # type: ignore[arg-type]
            check_clear(caught.value, session_path)
        with pytest.raises(TypeError) as wrong:
            await coordinator.open(session_path, format="pi")  # type: ignore[arg-type]
        check_clear(wrong.value, session_path)
        assert not coordinator.sessions
    assert list(session_path.parent.glob("*.jsonl")) == []


# Without rights


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Return a directory that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        place.chmod(0o755)
        yield place


def children_say(mode: str, *paths: Path) -> list[dict[str, Any]]:
    """Let another process open paths, and return what came of each."""
    command = [sys.executable, "-m", child.__name__, mode, *map(str, paths)]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr.decode()
    answers: list[dict[str, Any]] = json.loads(ended.stdout)
    return answers


def _forbidden_places(place: Path) -> dict[str, Path]:
    paths = {name: place / name / "s.jsonl" for name in ("unreadable", "read-only", "closed", "new")}
    for path in paths.values():
        path.parent.mkdir()
        path.parent.chmod(0o777)
        path.write_bytes(b'{"a":1}\n')
    paths["unreadable"].chmod(0)
    paths["read-only"].chmod(0o444)
    paths["closed"].parent.chmod(0o600)
    paths["new"].unlink()
    paths["new"].parent.chmod(0o555)
    return paths


@pytest.mark.root
def test_a_path_without_permission_is_refused(open_place: Path) -> None:
    """A process without rights opens files that it may not read, write, reach or make."""
    paths = _forbidden_places(open_place)
    before = snapshot(open_place)
    for name, answer in zip(paths, children_say("nobody", *paths.values()), strict=True):
        assert (answer["error"], answer["errno"]) == ("PathError", errno.EACCES), name
        assert answer["path"] == str(paths[name])
        assert "right" in answer["hint"]
    assert snapshot(open_place) == before


def test_too_many_open_files_are_said_and_overcome(tmp_path: Path) -> None:
    """The error names the remedy; nothing was changed, and with more descriptors the same call works."""
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_bytes(b'{"a":1}\n')
    before = snapshot(tmp_path)
    refused = children_say("few files", old, new)
    assert [(answer["error"], answer["errno"]) for answer in refused] == [("PathError", errno.EMFILE)] * 2
    assert [answer["path"] for answer in refused] == [str(old), str(new)]
    assert all("ulimit" in answer["hint"] for answer in refused)
    assert snapshot(tmp_path) == before


async def test_a_file_that_is_in_use_elsewhere_is_left_alone(session_path: Path) -> None:
    """The owner is named; the one who comes second has touched nothing, and works as soon as the owner is gone."""
    async with desk(session_path) as home:
        await home.chat.append(note("mine"))
        before = snapshot(session_path.parent)
        (answer,) = await asyncio.to_thread(children_say, "plainly", session_path)
        assert (answer["error"], answer["path"]) == ("LockedError", str(session_path))
        assert str(os.getpid()) in answer["text"]
        assert snapshot(session_path.parent) == before
        async with Coordinator() as second:
            with pytest.raises(LockedError) as caught:
                await second.open(session_path, format=PI)
            check_clear(caught.value, session_path)
            assert caught.value.pid == os.getpid()
        await home.chat.append(note("still mine"))
    async with Coordinator() as second:
        await second.open(session_path, format=PI)


@pytest.mark.parametrize("what", ["directory", "link"])
async def test_a_lock_that_is_none_of_ours_is_not_touched(session_path: Path, what: str) -> None:
    """Whatever has the name of the lock file stays as it is."""
    lock = session_path.with_name(f".{session_path.name}.lock")
    victim = session_path.with_name("victim")
    victim.write_bytes(b"precious")
    if what == "directory":
        lock.mkdir()
    else:
        lock.symlink_to(victim)
    async with Coordinator() as coordinator:
        with pytest.raises(PathError) as caught:
            await coordinator.open(session_path)
        check_clear(caught.value, session_path)
    assert victim.read_bytes() == b"precious"


async def test_a_refused_open_leaves_the_session_free_for_the_next(copy_of: Callable[[str], Path]) -> None:
    """Neither a lock nor a descriptor stays behind."""
    path = copy_of("headerless")
    async with Coordinator() as coordinator:
        for _ in range(3):
            with pytest.raises(FormatError):
                await coordinator.open(path, format=PI)
        assert not coordinator.sessions
        session = await coordinator.open(path, format=PLAIN)
        await session.writer("w").append({"plain": True})
