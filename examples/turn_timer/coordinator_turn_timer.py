"""A plugin in ten lines: notes in each session how long each turn took.

`pip install examples/turn_timer` installs it, and `Coordinator(plugins="installed")` finds it.
"""

from coordinator import Session, hookimpl


class TurnTimer:
    """Appends a record behind every turn that was entered."""

    name = "turn_timer"

    @hookimpl
    async def fence_left(self, session: Session, writer: str, entered_at: float | None, left_at: float) -> None:
        """Append what a turn took, also if it was broken or has failed."""
        if entered_at is not None:
            data = {"writer": writer, "seconds": round(left_at - entered_at, 3)}
            record = {"type": "custom", "customType": "turn-time", "data": data}
            await session.writer(self.name).append(record)
