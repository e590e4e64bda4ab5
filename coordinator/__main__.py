"""The command line: `python -m coordinator`, or `session-coordinator` where the package is installed."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say what to install if its library is not here."""
    try:
        from ._cli import app  # noqa: PLC0415 - the library itself must not need it
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit("The command line needs typer: pip install 'session-write-coordinator[cli]'")
    app(prog_name="coordinator")


if __name__ == "__main__":
    main()
