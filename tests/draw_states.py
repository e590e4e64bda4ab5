"""Draws the states of a session from the table of transitions; run it to renew the diagram of ARCHITECTURE.md.

Ways that lead from a state back to itself are left out: they are in the table for completeness, not for the eye.
"""

import re
from pathlib import Path

from coordinator._core._states import TRANSITIONS

DOCUMENT = Path(__file__).parents[1] / "ARCHITECTURE.md"
DIAGRAM = re.compile(r"```mermaid\nstateDiagram-v2\n.*?```\n", re.DOTALL)


def draw() -> str:
    """Render the table as a mermaid state diagram."""
    lines = [
        f"    {before.name} --> {after.name}: {trigger.value}"
        for (before, trigger), after in TRANSITIONS.items()
        if before is not after
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> OPENING", *lines, "    CLOSED --> [*]", "```\n"])


def main() -> None:
    """Put the diagram into its place."""
    DOCUMENT.write_text(DIAGRAM.sub(lambda _: draw(), DOCUMENT.read_text()))


if __name__ == "__main__":
    main()
