"""Panels of a picture with a title above and a color key below each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


RGB = tuple[int, int, int]

_PAPER: RGB = (22, 24, 29)
_INK: RGB = (226, 229, 235)
_GAP = 14
_LINE = 30
_SWATCH = 17
_FONT_SIZE = 19
_MIN_WIDTH = 320


@dataclass(frozen=True)
class Panel:
    """A picture with its title and color key.

    Parameters
    ----------
    title : str
        Written above.
    pixels : ndarray of uint8, shape (Y, X, 3)
        The picture.
    key : tuple of (str, RGB)
        Written below, each with a patch of its color.
    """

    title: str
    pixels: npt.NDArray[np.uint8]
    key: tuple[tuple[str, RGB], ...] = ()


def draw_panels(panels: Sequence[Panel]) -> PillowImage.Image:
    """Draw panels of one height side by side."""
    font = ImageFont.load_default(_FONT_SIZE)
    width = max(_MIN_WIDTH, *(panel.pixels.shape[1] for panel in panels))
    height = panels[0].pixels.shape[0]
    keys = [list(_flow(panel.key, width, font)) for panel in panels]
    n_lines = 1 + max((line for key in keys for line, *_ in key), default=-1)
    size = (
        len(panels) * width + (len(panels) + 1) * _GAP,
        height + (1 + n_lines) * _LINE + 3 * _GAP,
    )
    canvas = PillowImage.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(canvas)
    for position, (panel, key) in enumerate(zip(panels, keys, strict=True)):
        left = _GAP + position * (width + _GAP)
        top = _GAP + _LINE
        draw.text((left, _GAP + _LINE // 2 - 3), panel.title, _INK, font, anchor="lm")
        inset = (width - panel.pixels.shape[1]) // 2
        canvas.paste(PillowImage.fromarray(panel.pixels), (left + inset, top))
        for line, x, name, color in key:
            y = top + height + _GAP + line * _LINE + _LINE // 2
            _draw_entry(draw, (left + x, y), name, color, font)
    return canvas


def _flow(
    key: Sequence[tuple[str, RGB]],
    width: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> Iterator[tuple[int, int, str, RGB]]:
    """Place entries like words: line, left, name and color of each."""
    line = x = 0
    for name, color in key:
        needed = _SWATCH + 6 + round(font.getlength(name))
        if x and x + needed > width:
            line, x = line + 1, 0
        yield line, x, name, color
        x += needed + 18


def _draw_entry(
    draw: ImageDraw.ImageDraw,
    center_left: tuple[int, int],
    name: str,
    color: RGB,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    x, y = center_left
    half = _SWATCH // 2
    draw.rounded_rectangle((x, y - half, x + _SWATCH, y + half), 3, color)
    draw.text((x + _SWATCH + 6, y), name, _INK, font, anchor="lm")
