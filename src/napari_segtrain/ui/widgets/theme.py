"""Colors of napari's themes for what napari's style sheet does not paint."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari.utils.theme import get_theme
from qtpy.compat import isalive
from qtpy.QtCore import QObject
from qtpy.QtGui import QColor

if TYPE_CHECKING:
    from napari.components import ViewerModel

TEXT_CONTRAST = 4.5
"""Least contrast of text with its background (WCAG 2, AA)."""

LINE_CONTRAST = 2.5
"""Least contrast of lines."""

_N_STEPS = 20


@dataclass(frozen=True)
class Palette:
    """Colors of a theme as ``#rrggbb``, readable on its background.

    Parameters
    ----------
    background, text : str
        As in the theme.
    muted : str
        Text and lines that stand back.
    accent : str
        What is to be seen first.
    error, warning : str
        Text of these levels.
    """

    background: str
    text: str
    muted: str
    accent: str
    error: str
    warning: str

    def line(self, color: str) -> str:
        """Return a color of a class that can be seen as a line on the background."""
        return readable(color, self.background, LINE_CONTRAST)


class Themed(Protocol):
    """A widget that is drawn in the colors of a theme."""

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        ...


def palette_of(theme_id: str) -> Palette:
    """Return the colors of a theme that napari knows."""
    theme = get_theme(theme_id)
    background, text = theme.background.as_hex("long"), theme.text.as_hex("long")
    return Palette(
        background=background,
        text=text,
        muted=mix(text, background, 0.45),
        accent=readable(theme.current.as_hex("long"), background, TEXT_CONTRAST),
        error=readable(theme.error.as_hex("long"), background, TEXT_CONTRAST),
        warning=readable(theme.warning.as_hex("long"), background, TEXT_CONTRAST),
    )


def follow_theme(viewer: ViewerModel, widget: QObject) -> None:
    """Give a widget the theme of a viewer, now and whenever it changes.

    Neither is kept alive by the other.

    Parameters
    ----------
    viewer : ViewerModel
        Whose theme it is.
    widget : QObject
        Has ``apply_theme(theme_id)``.
    """
    follower = _Follower(widget)
    viewer.events.theme.connect(follower.on_viewer_theme)
    follower.apply(viewer.theme)


class _Follower(QObject):
    """Lives as long as the widget; the viewer's event holds it weakly."""

    def __init__(self, widget: QObject) -> None:
        super().__init__(widget)
        self._widget = weakref.ref(widget)

    def on_viewer_theme(self, event: Any) -> None:
        """Pass a change on."""
        self.apply(event.value)

    def apply(self, theme_id: str) -> None:
        """Pass a theme on, if the widget is still there."""
        widget: Any = self._widget()
        if widget is not None and isalive(widget):
            widget.apply_theme(theme_id)


def contrast(first: str, second: str) -> float:
    """Contrast of two colors, 1 to 21 (WCAG 2)."""
    low, high = sorted((_luminance(QColor(first)), _luminance(QColor(second))))
    return (high + 0.05) / (low + 0.05)


def mix(color: str, other: str, share: float) -> str:
    """Blend ``share`` of another color into a color."""
    pairs = zip(_channels(QColor(color)), _channels(QColor(other)), strict=True)
    blended = [a + (b - a) * share for a, b in pairs]
    return QColor.fromRgbF(*blended).name()


def readable(color: str, background: str, least: float) -> str:
    """Lighten or darken a color until it stands out from a background.

    Parameters
    ----------
    color, background : str
        As ``#rrggbb``.
    least : float
        Contrast that is asked for.
    """
    end = max("#ffffff", "#000000", key=lambda pole: contrast(pole, background))
    for step in range(_N_STEPS + 1):
        candidate = mix(color, end, step / _N_STEPS)
        if contrast(candidate, background) >= least:
            return candidate
    return end


def _channels(color: QColor) -> tuple[float, float, float]:
    return color.redF(), color.greenF(), color.blueF()


def _luminance(color: QColor) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
        for part in _channels(color)
    ]
    red, green, blue = linear
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
