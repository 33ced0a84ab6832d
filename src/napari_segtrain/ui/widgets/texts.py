"""Times and rows as text, and labels that hold them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

_MINUTE, _HOUR = 60, 3600
_SOON = 5
_LONG_MINUTES = 10


def duration_text(seconds: float) -> str:
    """Short text of a time: "8 s", "2 min 05 s", "1 h 10 min"."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def remaining_text(seconds: float) -> str:
    """Rounded text of an estimated time."""
    if seconds < _SOON:
        return "a few seconds left"
    if seconds < _MINUTE:
        return f"about {_SOON * round(seconds / _SOON)} s left"
    minutes = seconds / _MINUTE
    if minutes < _LONG_MINUTES:
        return f"about {minutes:.1f} min left".replace(".0 min", " min")
    return f"about {duration_text(_MINUTE * round(minutes))} left".replace(" 00 s", "")


def rows_html(rows: list[tuple[str, str]]) -> str:
    """Rows as a table of rich text."""
    cells = (
        f"<tr><td style='padding-right: 8px; white-space: nowrap'><i>{escape(name)}"
        f"</i></td><td>{escape(text)}</td></tr>"
        for name, text in rows
    )
    return f"<table cellspacing='0' cellpadding='1'>{''.join(cells)}</table>"


def table_html(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows, the first with titles, as a table of rich text."""
    lines = []
    for number, row in enumerate(rows):
        shown = [_whole(cell) if number else f"<i>{escape(cell)}</i>" for cell in row]
        cells = "".join(f"<td style='padding-right: 6px'>{cell}</td>" for cell in shown)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table cellspacing='0' cellpadding='1'>{''.join(lines)}</table>"


def _whole(cell: str) -> str:
    """Cell that is broken after commas only."""
    return escape(cell).replace(" ", "&nbsp;").replace(",&nbsp;", ", ")


def text_label(text: str) -> QLabel:
    """Make a label that wraps and whose text can be selected."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setMinimumWidth(0)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
