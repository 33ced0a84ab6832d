"""Recognize a file or store again without reading all of it."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.io.formats import file_of
from napari_segtrain.io.guard import check_exists, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_N_CHUNKS = 8
_SMALL = 1 << 16
_MAX_FILES = 20_000
_METADATA = {
    *("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"),
    "attributes.json",
}
_OF_DESKTOPS = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""Files that come when somebody looks into a folder."""


def fingerprint(path: str | Path) -> str:
    """Hash of size and samples of the content; the same wherever the data lie.

    Of a file the size and eight chunks of 1 MiB, first and last included (all of a
    file up to 8 MiB). Of a store or folder the relative names and sizes of its first
    20,000 files in sorted order, the text of their metadata, and 64 KiB each of eight
    others. It notices replaced and edited files, but not every change in the middle
    of large ones. Of a path into an HDF5 file, the file.

    Returns
    -------
    str
        ``sha256-sampled:`` and 64 hexadecimal digits.

    Raises
    ------
    DataError
        When the path does not exist or cannot be read.
    """
    path = Path(path)
    check_exists(path)
    path = file_of(path)
    digest = hashlib.sha256()
    with reading(path):
        pieces = _folder_pieces(path) if path.is_dir() else _file_pieces(path)
        for piece in pieces:
            digest.update(piece)
    return f"sha256-sampled:{digest.hexdigest()}"


def _file_pieces(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    yield f"file {size}\n".encode()
    last = max(0, size - _CHUNK)
    offsets = {last * i // (_N_CHUNKS - 1) for i in range(_N_CHUNKS)}
    with path.open("rb") as file:
        for offset in sorted(offsets):
            file.seek(offset)
            yield file.read(_CHUNK)


def _folder_pieces(folder: Path) -> Iterator[bytes]:
    files = list(itertools.islice(_walk(folder), _MAX_FILES))
    yield f"folder {len(files)}\n".encode()
    for file in files:
        name = file.relative_to(folder).as_posix()
        yield f"{name} {file.stat().st_size}\n".encode()
        if file.name in _METADATA:
            yield file.read_bytes()
    voxels = [file for file in files if file.name not in _METADATA]
    for file in voxels[:: max(1, len(voxels) // _N_CHUNKS)]:
        with file.open("rb") as opened:
            yield opened.read(_SMALL)


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder in sorted order, folder by folder."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in sorted(set(names) - _OF_DESKTOPS))
