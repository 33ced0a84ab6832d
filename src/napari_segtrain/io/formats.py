"""Which file names are images, and who reads them."""

from __future__ import annotations

from pathlib import Path

TIFF_SUFFIXES = (
    ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".svs", ".scn", ".qptiff",
)  # fmt: skip
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
NUMPY_SUFFIXES = (".npy",)
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".ims")
MRC_SUFFIXES = (".mrc", ".rec", ".st", ".map")
N5_SUFFIXES = (".n5",)
ZARR_SUFFIXES = (".zarr",)

MICROSCOPE_PLUGINS = {
    ".nd2": "bioio-nd2",
    ".lif": "bioio-lif",
    ".xlif": "bioio-lif",
    ".lof": "bioio-lif",
    ".czi": "bioio-czi",
    **dict.fromkeys(
        (".oib", ".oif", ".vsi", ".dv", ".r3d", ".ics", ".zvi", ".sld"),
        "bioio-bioformats",
    ),
}
"""Suffix to the bioio plugin that reads it."""

SUFFIXES = (
    *TIFF_SUFFIXES,
    *PICTURE_SUFFIXES,
    *NUMPY_SUFFIXES,
    *HDF5_SUFFIXES,
    *MRC_SUFFIXES,
    *N5_SUFFIXES,
    *ZARR_SUFFIXES,
    *MICROSCOPE_PLUGINS,
)

_SECOND_SUFFIXES = (".ome",)
_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zarray")


def suffix_of(path: Path) -> str:
    """Last suffix in lower case, ``.tif`` of ``a.ome.TIF``."""
    return path.suffix.lower()


def image_stem(path: Path) -> str:
    """Name without the suffixes of an image, ``a`` of ``a.ome.tif``; dots else stay."""
    stem = path.stem if suffix_of(path) in SUFFIXES else path.name
    second = Path(stem).suffix.lower()
    return stem[: -len(second)] if second in _SECOND_SUFFIXES else stem


def is_store(path: Path) -> bool:
    """Whether a folder is an array or group of Zarr or N5."""
    return path.is_dir() and (_is_zarr(path) or is_n5(path))


def is_n5(path: Path) -> bool:
    """Whether a folder is an N5 container, or a part of one that is no Zarr store."""
    if not path.is_dir() or _is_zarr(path):
        return False
    return any(suffix_of(folder) in N5_SUFFIXES for folder in (path, *path.parents))


def file_of(path: Path) -> Path:
    """File or folder on disk that a path leads to: ``a.h5`` of ``a.h5/raw``."""
    if path.exists():
        return path
    files = (p for p in path.parents if suffix_of(p) in HDF5_SUFFIXES and p.is_file())
    return next(files, path)


def _is_zarr(path: Path) -> bool:
    is_marked = any((path / name).exists() for name in _ZARR_MARKERS)
    return is_marked or suffix_of(path) in ZARR_SUFFIXES
