"""A small model server, run as a process of its own: it streams a reply, piece by piece, over as long as it is told.

It prints its port, serves until its standard input ends (so it never outlives the demo, however that ends), and needs
nothing but the standard library.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice

PIECES = 24
_SENTENCE = "I looked at the notes, compared them with the plan and found three things that we should do first."


def reply_pieces(prompt: str) -> Iterator[str]:
    """Yield a reply that names its prompt, so that every reply of the demo is unlike any other."""
    yield f"You said: {prompt!r}."
    for word in islice(cycle(_SENTENCE.split()), PIECES - 1):
        yield f" {word}"


class ModelHandler(BaseHTTPRequestHandler):
    """Answer `POST {"prompt": ..., "seconds": ...}` with server-sent events."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Stream one reply."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in reply_pieces(request["prompt"]):
            time.sleep(request["seconds"] / PIECES)  # the thinking of a real model
            self._send_chunk(b"data: " + json.dumps({"text": piece}).encode() + b"\n\n")
        self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet: the demo's screen belongs to the demo."""


class ModelServer(ThreadingHTTPServer):
    """A thread for each call, and room for the calls of all runs at the same moment."""

    request_queue_size = 256


def main() -> None:
    """Serve on a free port of this machine until standard input ends."""
    server = ModelServer(("127.0.0.1", 0), ModelHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
