"""Which file names are images, and who reads them."""

from __future__ import annotations

from pathlib import Path

TIFF_SUFFIXES = (
    ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".svs", ".scn", ".qptiff",
)  # fmt: skip
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
NUMPY_SUFFIXES = (".npy",)
STORE_SUFFIXES = (".zarr",)

MICROSCOPE_PLUGINS = {
    ".nd2": "bioio-nd2",
    ".lif": "bioio-lif",
    ".xlif": "bioio-lif",
    ".lof": "bioio-lif",
    ".czi": "bioio-czi",
    **dict.fromkeys(
        (".oib", ".oif", ".vsi", ".dv", ".r3d", ".ims", ".ics", ".zvi", ".sld"),
        "bioio-bioformats",
    ),
}
"""Suffix to the bioio plugin that reads it."""

SUFFIXES = (
    *TIFF_SUFFIXES,
    *PICTURE_SUFFIXES,
    *NUMPY_SUFFIXES,
    *STORE_SUFFIXES,
    *MICROSCOPE_PLUGINS,
)

_SECOND_SUFFIXES = (".ome",)
_STORE_MARKERS = ("zarr.json", ".zgroup", ".zarray")


def suffix_of(path: Path) -> str:
    """Last suffix in lower case, ``.tif`` of ``a.ome.TIF``."""
    return path.suffix.lower()


def image_stem(path: Path) -> str:
    """Name without the suffixes of an image, ``a`` of ``a.ome.tif``; dots else stay."""
    stem = path.stem if suffix_of(path) in SUFFIXES else path.name
    second = Path(stem).suffix.lower()
    return stem[: -len(second)] if second in _SECOND_SUFFIXES else stem


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr array or group."""
    if not path.is_dir():
        return False
    is_marked = any((path / name).exists() for name in _STORE_MARKERS)
    return is_marked or suffix_of(path) in STORE_SUFFIXES
