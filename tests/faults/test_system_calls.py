"""Promises 3, 9, 13, 14: what the kernel is really asked to do, seen and disturbed by strace."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from .disks import Mounts, need, run
from .scribe import Scribe

TRACED = "openat,write,pwrite64,fdatasync,fsync,rename,renameat2,unlink,linkat"

Traced = Callable[..., Scribe]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return where strace writes."""
    return tmp_path / "strace.log"


@pytest.fixture
def traced(session_path: Path, log: Path) -> Iterator[Traced]:
    """Return a function that starts a scribe under strace, with options."""
    scribes: list[Scribe] = []
    run("strace", "-qq", "-o", log, "true")

    def start(*options: str, durability: str = "always", trace: str = TRACED) -> Scribe:
        strace = [need("strace"), "-f", "--seccomp-bpf", "-qq", "-y", "-s", "200"]
        prefix = [*strace, "-e", f"trace={trace}", "-o", log, *options]
        scribes.append(Scribe(session_path, durability=durability, prefix=prefix))
        return scribes[-1]

    yield start
    for scribe in scribes:
        scribe.end()


def calls(log: Path, *about: str) -> list[str]:
    """Return what was called on files with such names, as `name file`, in the order of ending.

    Answers to the test are `answer`, in the order of beginning.
    """
    found, unfinished = list[str](), dict[str, str]()
    for line in log.read_text().splitlines():
        process, _, call = line.partition(" ")
        if "resumed>" in call:
            call = unfinished.pop(process, "")
        elif "write(1<" in call and "acknowledged" in call:
            found.append("answer")
        elif call.endswith("<unfinished ...>"):
            unfinished[process] = call
            continue
        name = call.strip().partition("(")[0]
        found += [f"{name} {file}" for file in about if f"/{file}" in call][:1]
    return found


def in_order(found: Sequence[str], *expected: str) -> bool:
    """Whether these calls were made in this order, whatever was between them."""
    rest = iter(found)
    return all(call in rest for call in expected)


def texts(path: Path) -> list[str]:
    """Return the texts of all notes."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [record["data"]["text"] for record in records if "data" in record]


@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync", "openat", "ftruncate", "pread64", "flock"])
def test_an_interrupted_call_is_invisible(traced: Traced, session_path: Path, call: str) -> None:
    """Every other one of these calls on the session's files ends with EINTR, and nobody hears of it."""
    directory = session_path.parent
    paths = [directory, session_path, directory / f".{session_path.name}.lock"]
    only = [option for path in paths for option in ("-P", str(path))]
    scribe = traced("-e", f"inject={call}:error=EINTR:when=1+2", *only, trace=call)
    assert scribe.do("open") == {"state": "OPEN"}
    assert scribe.do("append", "a")["durable"]
    assert scribe.do("append", "b", "c")["durable"]
    assert scribe.do("close") == {}
    assert texts(session_path) == ["a", "b", "c"]


def test_after_a_failed_sync_nothing_is_acknowledged_on_that_file(
    traced: Traced, session_path: Path, log: Path
) -> None:
    """The kernel says 0 to the next fdatasync although the data is gone; it must never be asked."""
    scribe = traced("-e", "inject=fdatasync:error=EIO:when=2..3")
    assert scribe.do("open")["state"] == "OPEN"
    assert scribe.do("append", "a")["durable"]
    inode = session_path.stat().st_ino
    assert scribe.do("append", "b")["outcome"] == "KEPT"
    assert scribe.do("append", "c")["error"] == "WriteFailedError"
    syncs = [call for call in calls(log, session_path.name) if call.startswith("fdatasync")]
    assert len(syncs) == 2
    assert scribe.do("reopen")["error"] == "WriteFailedError", "the third sync fails, too"
    assert session_path.stat().st_ino == inode
    assert scribe.do("reopen").get("written", 0) >= 1
    assert session_path.stat().st_ino != inode
    assert scribe.do("append", "d")["durable"]
    assert "error" not in scribe.do("close")
    assert [text for text in texts(session_path) if text != "c"] == ["a", "b", "d"]


def test_a_new_file_is_durable_with_its_name_before_it_is_acknowledged(
    traced: Traced, session_path: Path, log: Path
) -> None:
    """File, then directory, then the receipt: otherwise a power cut takes the whole session."""
    scribe = traced()
    scribe.do("open")
    scribe.do("append", "a")
    scribe.end()
    name, directory = session_path.name, session_path.parent.name
    found = calls(log, name, f"{directory}>")
    assert in_order(found, f"write {name}", f"fdatasync {name}", f"fsync {directory}>", "answer"), found


def test_a_replaced_file_is_durable_before_and_after_it_gets_its_name(
    traced: Traced, session_path: Path, log: Path
) -> None:
    """The new content, then the exchange, then the directory; only then later records are acknowledged."""
    scribe = traced()
    for order in (["open"], ["append", "a", "b"], ["rewrite"], ["append", "c"]):
        assert "error" not in scribe.do(*order)
    scribe.end()
    new, directory = f".{session_path.name}.rewrite-", session_path.parent.name
    found = calls(log, new, session_path.name, f"{directory}>")
    exchange = [f"fdatasync {new}", f"renameat2 {new}", f"fsync {directory}>", "answer"]
    assert in_order(found, f"write {new}", *exchange), found
    assert texts(session_path) == ["summary", "b", "c"]


@pytest.mark.parametrize("error", ["EXDEV", "EROFS", "ENOSPC"])
def test_a_rewrite_that_is_refused_leaves_the_old_file_in_use(traced: Traced, session_path: Path, error: str) -> None:
    """While it is published: the old content, the same inode, no stray file, and writing goes on."""
    with Scribe(session_path) as scribe:
        scribe.do("open")
        scribe.do("append", "a", "b")
    before = session_path.read_bytes()
    scribe = traced("-e", f"inject=renameat2:error={error}")
    scribe.do("open")
    inode = session_path.stat().st_ino
    refused = scribe.do("rewrite")
    assert refused["hint"]
    assert session_path.read_bytes() == before
    assert session_path.stat().st_ino == inode
    assert scribe.do("append", "c")["acknowledged"]
    scribe.do("close")
    assert sorted(path.name for path in session_path.parent.iterdir() if "jsonl" in path.name) == [
        f".{session_path.name}.lock", session_path.name,
    ]  # fmt: skip
    assert texts(session_path) == ["a", "b", "c"]


def test_a_rewrite_without_an_atomic_exchange_falls_back_to_a_rename(traced: Traced, session_path: Path) -> None:
    """ENOSYS from renameat2, as on some file systems: compacted all the same."""
    scribe = traced("-e", "inject=renameat2:error=ENOSYS")
    for order in (["open"], ["append", "a", "b"], ["rewrite"], ["append", "c"], ["close"]):
        assert "error" not in scribe.do(*order)
    assert texts(session_path) == ["summary", "b", "c"]


def test_a_rewrite_without_room_leaves_the_old_file_in_use(mounts: Mounts) -> None:
    """ENOSPC while the copy is written, on a disk that holds the file but not two of it."""
    path = mounts.tmpfs("64k") / "session.jsonl"
    with Scribe(path) as scribe:
        scribe.do("open")
        scribe.do("append_large", "a", 20_000)
        scribe.do("append_large", "b", 20_000)
        before = path.read_bytes()
        assert "No space left" in scribe.do("rewrite")["text"]
        assert path.read_bytes() == before
        assert scribe.do("append", "c")["acknowledged"]
    assert texts(path) == ["a", "b", "c"]
    assert [name.name for name in path.parent.iterdir() if "rewrite" in name.name] == []
