"""Runs a command whose options are settings, and says what is wrong with them in a line each."""

from __future__ import annotations

import sys

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp

from .complaints import complaints

WRONG_USAGE = 2


def run_command(command: type[BaseSettings]) -> None:
    """Read the options from command line and environment, and do what the command does."""
    try:
        CliApp.run(command)
    except ValidationError as error:
        for complaint in complaints(error):
            print(complaint, file=sys.stderr)
        sys.exit(WRONG_USAGE)
