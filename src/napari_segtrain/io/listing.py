"""Which images a file, folder or store holds."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import SUFFIXES, file_of, is_store, suffix_of
from napari_segtrain.io.guard import check_exists

logger = logging.getLogger(__name__)

_DIGITS = re.compile(r"([0-9]+)")
_N_NAMED = 5


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Key to sort names with numbers as people do: ``img2`` before ``img10``."""
    parts = _DIGITS.split(name.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), name


def list_images(path: str | Path) -> list[Path]:
    """Images of a file, folder or store, in natural order.

    A file, a store, or a part of a store or HDF5 file is itself; a folder gives the
    images (and stores) in it, not those of its subfolders. Hidden files and other
    formats are left out (`list_skipped`).

    Raises
    ------
    DataError
        When nothing is there, or no image.
    """
    path = Path(path)
    check_exists(path)
    if file_of(path).is_file() or is_store(path):
        return [path]
    found = [entry for entry in visible_entries(path) if is_image(entry)]
    skipped = list_skipped(path)
    if not found:
        others = f"; it holds {name_some(skipped)}" if skipped else ""
        raise DataError(f"{path} holds no image that can be read{others}.")
    if skipped:
        logger.info("%s: no images, left out: %s", path, name_some(skipped))
    return found


def list_skipped(folder: str | Path) -> list[Path]:
    """Visible entries of a folder that `list_images` leaves out."""
    return [entry for entry in visible_entries(Path(folder)) if not is_image(entry)]


def name_some(paths: list[Path] | tuple[Path, ...]) -> str:
    """First few names of a list, for a message."""
    names = ", ".join(path.name for path in paths[:_N_NAMED])
    n_more = len(paths) - _N_NAMED
    return f"{names} and {n_more} more" if n_more > 0 else names


def visible_entries(folder: Path) -> list[Path]:
    """Files and folders in a folder, without hidden ones, in natural order."""
    visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: natural_key(entry.name))


def is_image(entry: Path) -> bool:
    """Whether a file or folder looks like an image, by its name."""
    if entry.is_dir():
        return is_store(entry)
    return suffix_of(entry) in SUFFIXES
