"""Where the tools of root are."""

import os
import shutil

from .kernel import MissingError


def need(tool: str) -> str:
    """Return where a tool is."""
    found = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise MissingError(tool)
    return found
