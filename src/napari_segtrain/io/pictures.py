"""PNG, JPEG and BMP pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

from napari_segtrain.errors import DataError
from napari_segtrain.io.cache import CACHE
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices
from napari_segtrain.io.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.ImageFile import ImageFile

_OPENERS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG": PngImagePlugin.PngImageFile,
    b"\xff\xd8": JpegImagePlugin.JpegImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}
"""First bytes to reader. Used directly, as ``PIL.Image.open`` refuses pictures of more
than 179 million pixels, which an electron microscope makes."""

_DTYPES = {"1": np.bool_, "I;16": np.uint16, "I": np.int32, "F": np.float32}
_RGB_MODES = ("RGB", "RGBA", "CMYK", "YCbCr")
_PLAIN_MODES = ("1", "L", "I", "I;16", "F")
_PNG_GRAY, _PNG_GRAY_ALPHA = 0, 4
_PNG_WITH_PILLOW_LOSS = (2, 4, 6)
_DEEP_BITS, _PACKED_BITS = 16, (2, 4)


@dataclass(frozen=True)
class _Header:
    """Bits per sample and color type of a PNG file; zeros for other formats."""

    n_bits: int
    color_type: int

    @property
    def is_deep_color(self) -> bool:
        """16 bits per sample in more than one channel: Pillow would keep only 8."""
        return self.n_bits == _DEEP_BITS and self.color_type in _PNG_WITH_PILLOW_LOSS

    @property
    def gray_step(self) -> int:
        """Factor by which Pillow stretches gray values of 2 or 4 bits."""
        is_packed = self.n_bits in _PACKED_BITS and self.color_type == _PNG_GRAY
        return 255 // (2**self.n_bits - 1) if is_packed else 1


def open_picture(path: Path, *, as_labels: bool) -> Source:
    """Read the header of a picture; the pixels are decoded when they are asked for.

    An alpha channel is dropped. Colors of a palette become RGB, or for labels stay
    the index into the palette, which is the label value.

    Parameters
    ----------
    path : Path
    as_labels : bool
        Keep palette indices.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    with reading(path), _open(path) as picture:
        width, height = picture.size
        header = _png_header(path)
        is_rgb = _is_rgb(picture, header, as_labels=as_labels)
        deep, default = np.uint16, _DTYPES.get(picture.mode, np.uint8)
        dtype = np.dtype(deep if header.is_deep_color else default)
    shape = (height, width, 3) if is_rgb else (height, width)
    read_box = partial(_read_box, path, object(), as_labels)
    return Source(BlockArray(shape, dtype, read_box), "YXC" if is_rgb else "YX")


def _read_box(path: Path, key: object, as_labels: bool, box: Slices) -> Block:  # noqa: FBT001
    with reading(path):
        decode = partial(_decode, path, as_labels=as_labels)
        return CACHE.get(key, decode)[box].copy()


def _decode(path: Path, *, as_labels: bool) -> Block:
    header = _png_header(path)
    if header.is_deep_color:
        return _decode_deep_color(path)
    with _open(path) as picture:
        if _is_rgb(picture, header, as_labels=as_labels):
            return np.asarray(picture.convert("RGB"))
        is_plain = picture.mode in (*_PLAIN_MODES, "P")
        pixels = np.asarray(picture if is_plain else picture.convert("L"))
    return pixels if header.gray_step == 1 else pixels // header.gray_step


def _decode_deep_color(path: Path) -> Block:
    import imagecodecs  # heavy

    pixels: Block = imagecodecs.png_decode(path.read_bytes())
    return pixels[..., 0] if pixels.shape[-1] < len("RGB") else pixels[..., :3]


def _open(path: Path) -> ImageFile:
    with path.open("rb") as file:
        start = file.read(4)
    for signature, opener in _OPENERS.items():
        if start.startswith(signature):
            return opener(path)
    raise DataError(f"{path} is no PNG, JPEG or BMP picture, whatever its name says.")


def _is_rgb(picture: ImageFile, header: _Header, *, as_labels: bool) -> bool:
    if picture.mode == "P":
        return not as_labels
    return picture.mode in _RGB_MODES and header.color_type != _PNG_GRAY_ALPHA


def _png_header(path: Path) -> _Header:
    with path.open("rb") as file:
        start = file.read(26)
    is_png = start.startswith(b"\x89PNG") and len(start) == len(bytes(26))
    return _Header(start[24], start[25]) if is_png else _Header(0, 0)
