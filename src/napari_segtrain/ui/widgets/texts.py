"""Times and rows as text."""

from __future__ import annotations

from html import escape

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
