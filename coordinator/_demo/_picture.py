"""One run of each round on a time line: who was exposed when, who wrote when, and how it ended."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (matplotlib does not type its keyword arguments)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ._gateway import PARTS
from ._log import RunLog, Window
from ._rounds import Round

_INTRUDER = "another process"
_ROWS = {part: row for row, part in enumerate((*PARTS, _INTRUDER))}

_INK, _FAINT, _GOOD, _BAD, _FOUND = "#22303c", "#8b97a3", "#2f9e6e", "#d64550", "#d98a1c"
_STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK),
    "font.family": "DejaVu Sans",
    "font.size": 9,
}
_INSIDE: Any = {"textcoords": "offset points", "va": "center", "color": "white", "fontweight": "bold"}
_BESIDE: Any = {
    "textcoords": "offset points",
    "va": "center",
    "color": _BAD,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 2},
}
_OWN_WRITE: Any = {"marker": "|", "color": "#3d6fb6", "markersize": 11, "markeredgewidth": 1.8, "linestyle": "none"}
_FOREIGN_WRITE: Any = {"marker": "D", "color": _BAD, "markersize": 7, "linestyle": "none"}
_WAITING: Any = {"color": _FAINT, "linewidth": 2, "linestyle": ":"}


def draw(rounds: Sequence[Round], path: Path) -> Path:
    """Draw the first run of each round into an SVG file."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(11, 9.4), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12))
        figure.suptitle("One gateway, one session file: one run of each round", fontsize=12)
        panels = figure.subplots(len(rounds), sharex=True, squeeze=False)[:, 0]
        for panel, each in zip(panels, rounds, strict=True):
            _draw_run(panel, each)
        panels[-1].set_xlabel("seconds since the run began")
        figure.legend(handles=_legend(), loc="outside lower center", ncols=6, frameon=False)
        figure.savefig(path)
    return path


def _draw_run(panel: Axes, each: Round) -> None:
    log = each.runs[0].log
    panel.set_title(f"{each.name}: {each.result}", loc="left", fontweight="bold", fontsize=11)
    panel.set_title(each.about, loc="right", color=_FAINT)
    panel.set_yticks(list(_ROWS.values()), list(_ROWS))
    panel.set_ylim(len(_ROWS) - 0.4, -0.6)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.hlines(list(_ROWS.values()), 0, 1, transform=panel.get_yaxis_transform(), color=_FAINT, lw=0.4, zorder=0)
    for window in log.windows:
        _draw_window(panel, window, log)
    for write in log.writes:
        panel.plot(write.time, _ROWS[write.part], **_OWN_WRITE)
    if log.foreign_at is not None:
        _draw_intruder(panel, log.foreign_at, log.found_at)


def _draw_window(panel: Axes, window: Window, log: RunLog) -> None:
    row = _ROWS[window.part]
    color, ending = _ending(window, log)
    panel.plot([log.asked[window.part], window.opened], [row, row], **_WAITING)
    panel.barh(row, window.closed - window.opened, left=window.opened, height=0.66, color=color)
    panel.annotate(ending, (window.opened, row), (8, 0), **_INSIDE)
    if window.part not in log.dropped:
        panel.plot(window.closed, row, **_OWN_WRITE)  # the reply


def _ending(window: Window, log: RunLog) -> tuple[str, str]:
    if window.part in log.dropped:
        return _BAD, "✗ reply dropped"
    if window.part in log.takeovers:
        return _FOUND, "! takeover found, reply kept"
    return _GOOD, "✓ reply kept"


def _draw_intruder(panel: Axes, wrote_at: float, found_at: float | None) -> None:
    row = _ROWS[_INTRUDER]
    panel.axvline(wrote_at, color=_BAD, linewidth=1, linestyle="--")
    panel.plot(wrote_at, row, **_FOREIGN_WRITE)
    found = "" if found_at is None else f": found {(found_at - wrote_at) * 1000:.0f} ms later"
    says = f"appends a user message{found}"
    panel.annotate(says, (wrote_at, row), (12, 0), **_BESIDE)


def _legend() -> list[Artist]:
    bars = {"whole": _GOOD, "wrongly accused": _BAD, "really taken over": _FOUND}
    return [
        Line2D([], [], label="waits for its turn", **_WAITING),
        *(Patch(color=color, label=f"model call, {ending}") for ending, color in bars.items()),
        Line2D([], [], label="own write", **_OWN_WRITE),
        Line2D([], [], label="foreign write", **_FOREIGN_WRITE),
    ]
