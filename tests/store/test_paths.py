"""Which paths can be sessions, and which cannot, with nothing on disk changed."""

import os
from pathlib import Path

import pytest

from coordinator import PathError
from coordinator._core._errors import ArgumentTypeError
from coordinator._store import session_path as resolve

from .conftest import OpenDesk


def listing(directory: Path) -> list[str]:
    """Return every name below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_the_directory_is_resolved_and_the_name_is_not(tmp_path: Path) -> None:
    """One file has one path, however it was written."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    assert resolve(tmp_path / "alias" / ".." / "real" / "a.jsonl") == tmp_path.resolve() / "real" / "a.jsonl"


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of the working directory changes nothing."""
    monkeypatch.chdir(tmp_path)
    assert resolve("a.jsonl") == tmp_path.resolve() / "a.jsonl"


@pytest.mark.parametrize("path", ["", "/", "..", "a\0b", "x/.."])
def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    """A clear error at the call."""
    with pytest.raises(PathError) as caught:
        resolve(path)
    assert caught.value.hint


def test_what_is_no_path_is_a_type_error() -> None:
    """Of ours, and Python's."""
    with pytest.raises(ArgumentTypeError) as caught:
        resolve(7)  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("target", ["there.jsonl", "nowhere.jsonl"])
def test_a_symbolic_link_is_refused(tmp_path: Path, target: str) -> None:
    """It could point elsewhere tomorrow; dangling or not."""
    (tmp_path / "there.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(target)
    with pytest.raises(PathError):
        resolve(tmp_path / "link.jsonl")


def test_a_path_outside_of_root_is_refused(tmp_path: Path) -> None:
    """However it tries to get out."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    for path in (tmp_path / "a.jsonl", root / ".." / "a.jsonl", root / "out" / "a.jsonl"):
        with pytest.raises(PathError):
            resolve(path, root=root)
    assert resolve(root / "in" / "a.jsonl", root=root) == root.resolve() / "in" / "a.jsonl"


def test_directories_below_root_are_made_private(tmp_path: Path, new_desk: OpenDesk) -> None:
    """And no others."""
    root = tmp_path / "root"
    root.mkdir()
    path = root / "a" / "b" / "c.jsonl"
    new_desk(path, root=root).open()
    assert [(root / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o700, 0o700]


def test_a_file_that_somebody_makes_at_any_moment_of_an_opening_is_opened(tmp_path: Path, new_desk: OpenDesk) -> None:
    """Between two looks it would be neither missing nor a file."""
    number, calls = 0, 1
    while number < calls:
        path = tmp_path / f"{number}.jsonl"
        desk = new_desk(path)
        desk.system.begin()
        desk.system.act_before(number, path.touch)
        desk.open()
        number, calls = number + 1, len(desk.system.calls)
        assert desk.append(b"{}\n").written == [0]


def test_new_directories_are_synced_with_the_first_records(tmp_path: Path, new_desk: OpenDesk) -> None:
    """A durable file in a directory without a durable name is lost."""
    root = tmp_path / "root"
    root.mkdir()
    desk = new_desk(root / "a" / "b" / "c.jsonl", root=root)
    desk.open()
    desk.system.begin()
    desk.append(b"{}\n", sync=True)
    assert desk.system.calls.count("sync_directory") == 3


def test_without_root_the_directory_has_to_be_there(tmp_path: Path, new_desk: OpenDesk) -> None:
    """A typing mistake makes no directories."""
    with pytest.raises(PathError) as caught:
        new_desk(tmp_path / "a" / "b.jsonl").open()
    assert "directory" in caught.value.hint
    assert listing(tmp_path) == []


def test_a_missing_root_is_not_made(tmp_path: Path, new_desk: OpenDesk) -> None:
    """Only what is below it."""
    with pytest.raises(PathError):
        new_desk(tmp_path / "root" / "a.jsonl", root=tmp_path / "root").open()
    assert listing(tmp_path) == []


def test_a_file_that_must_exist_is_not_made(session_path: Path, tmp_path: Path, new_desk: OpenDesk) -> None:
    """Nor is anything beside it."""
    with pytest.raises(PathError):
        new_desk(create=False).open()
    with pytest.raises(PathError):
        new_desk(tmp_path / "a" / "b.jsonl", create=False, root=tmp_path).open()
    assert listing(tmp_path) == []


def test_what_is_no_regular_file_is_refused(tmp_path: Path, new_desk: OpenDesk) -> None:
    """A directory, a pipe: nothing waits, nothing is changed."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("directory", "pipe"):
        with pytest.raises(PathError) as caught:
            new_desk(tmp_path / name).open()
        assert caught.value.path == tmp_path / name
    assert listing(tmp_path) == ["directory", "pipe"]


def test_a_component_that_is_no_directory_is_an_error(tmp_path: Path, new_desk: OpenDesk) -> None:
    """With the path and a hint."""
    (tmp_path / "file").touch()
    with pytest.raises(PathError) as caught:
        new_desk(tmp_path / "file" / "a.jsonl", root=tmp_path).open()
    assert caught.value.hint


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path, new_desk: OpenDesk) -> None:
    """Also when only the lock's name is."""
    for length in (300, 252):
        with pytest.raises(PathError) as caught:
            new_desk(tmp_path / ("x" * length)).open()
        assert "shorter" in caught.value.hint
    assert listing(tmp_path) == []


def test_a_second_name_of_an_open_file_is_refused(session_path: Path, tmp_path: Path, new_desk: OpenDesk) -> None:
    """Two names would be two queues on one file."""
    session_path.write_bytes(b"{}\n")
    other = tmp_path / "other.jsonl"
    other.hardlink_to(session_path)
    desk = new_desk()
    desk.open()
    with pytest.raises(PathError) as caught:
        new_desk(other).open()
    assert str(session_path) in caught.value.hint
    assert not (tmp_path / ".other.jsonl.lock").exists()
    desk.close()
    new_desk(other).open()


def test_a_second_name_of_a_file_that_was_just_made_is_refused(
    session_path: Path, tmp_path: Path, new_desk: OpenDesk
) -> None:
    """Also when the first one was new."""
    desk = new_desk()
    desk.open()
    desk.append(b"{}\n")
    (tmp_path / "other.jsonl").hardlink_to(session_path)
    with pytest.raises(PathError):
        new_desk(tmp_path / "other.jsonl").open()


@pytest.mark.root
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o200])
def test_a_file_without_rights_is_an_error(session_path: Path, new_desk: OpenDesk, mode: int) -> None:
    """As an ordinary user, not as root; and nothing is beside it afterwards."""
    session_path.write_bytes(b"{}\n")
    session_path.chmod(mode)
    os.chown(session_path.parent, 12345, 12345)
    os.chown(session_path, 12345, 12345)
    parents = [path for path in session_path.parents if not path.stat().st_mode & 0o001]
    modes = {path: path.stat().st_mode for path in parents}
    for path in parents:
        path.chmod(modes[path] | 0o711)
    os.seteuid(12345)
    try:
        with pytest.raises(PathError) as caught:
            new_desk().open()
    finally:
        os.seteuid(0)
        for path in parents:
            path.chmod(modes[path])
    assert "right" in caught.value.hint
    assert listing(session_path.parent) == [session_path.name]
