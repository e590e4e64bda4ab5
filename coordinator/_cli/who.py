"""`coordinator who`: which process owns a session, and which ones have its file open?"""

from __future__ import annotations

import socket
import time
from dataclasses import asdict
from pathlib import Path

from ._files import reading
from ._inside import find_doubt
from ._options import FileArgument, JsonOption
from ._output import facts, output, path_text
from ._processes import Opener, Openers, Owner, find_live_owner, find_openers, read_signature
from ._text import age_text, size_text


def who(file: FileArgument, as_json: JsonOption = False) -> None:
    """Name the live process that owns a session by its lock, and the processes that have its file open.

    Exit status: 0 whether or not there is one, 2 wrong usage or not readable.
    """
    with output(file, as_json=as_json) as out, reading(file) as reader:
        owner, openers, doubt = find_live_owner(file), find_openers(reader.path), find_doubt(reader.path)
        if as_json:
            named = None if owner is None else asdict(owner)
            found = [asdict(opener) for opener in openers.found]
            out.data({
                "path": file, "owner": named, "openers": found, "openers_complete": openers.complete, "doubt": doubt,
            })  # fmt: skip
            return
        changed = f"{size_text(reader.end)}, changed {age_text(time.time() - reader.found.st_mtime)} ago"
        out.show(path_text(file))
        told = [("file", changed), ("owner", _owner_text(file, owner)), ("open in", _openers_text(openers))]
        out.show(facts(told if doubt is None else [*told, ("beware", doubt)]))


def _owner_text(path: Path, owner: Owner | None) -> str:
    if owner is not None:
        return str(owner)
    signed = read_signature(path)
    host = signed.get("host")
    if host not in (None, socket.gethostname()):
        return f"unknown: process {signed.get('pid')} on {host} had it last; from here its lock cannot be seen"
    return "nobody"


def _openers_text(openers: Openers) -> str:
    lines = [_opener_text(opener) for opener in openers.found] or ["no other process"]
    if not openers.complete:
        lines.append("(not all processes could be looked into; another user may see more)")
    return "\n".join(lines)


def _opener_text(opener: Opener) -> str:
    return f"process {opener.pid} ({opener.name}), {opener.access}"
