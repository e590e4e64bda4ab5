"""Runs a module of a folder as a program that ends, as on SIGTERM, when its standard input does.

So it never outlives the demo, however that ends. It needs nothing but the standard library.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Take the folder, the module and the module's own arguments from the command line."""
    _, folder, module, *arguments = sys.argv
    sys.path.insert(0, folder)
    sys.argv = [module, *arguments]
    threading.Thread(target=_end_with_input, daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
