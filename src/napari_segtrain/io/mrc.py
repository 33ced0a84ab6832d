"""MRC files of electron microscopy: a header of 1024 bytes, and voxels to map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import mapped_array
from napari_segtrain.io.source import Source
from napari_segtrain.io.units import calibrated, to_micrometers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEADER_BYTES = 1024
_FIELDS: dict[str, tuple[str, int]] = {
    "size": ("3u4", 0),  # X, Y, Z, as all triples
    "mode": ("i4", 12),
    "grid": ("3i4", 28),
    "cell": ("3f4", 40),  # angstrom
    "order": ("3i4", 64),  # axis of columns, rows and sections: 1, 2, 3 is X, Y, Z
    "maximum": ("f4", 80),
    "space_group": ("i4", 88),
    "n_extended": ("u4", 92),
    "imod_stamp": ("i4", 152),
    "imod_flags": ("i4", 156),
    "map": ("S3", 208),
}
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_OTHER_MODES = {3: "complex numbers", 4: "complex numbers", 16: "colors", 101: "4 bits"}
_IMOD_STAMP, _IMOD_SIGNED = 1146047817, 1
_MAX_SIGNED = 127
_VOLUME_STACK = range(401, 631)


def open_mrc(path: Path) -> Source:
    """Read the header of an MRC or CCP4 file (MRC2014, and what IMOD wrote before).

    Sections are Z; the volumes of a stack of volumes are T. Bytes are signed, as the
    standard says, unless IMOD's flag or a maximum above 127 says otherwise. A voxel of
    1 × 1 × 1 Å, which IMOD writes where nothing is known, is unknown.

    Raises
    ------
    DataError
        When the file is damaged, cut off or no MRC file, or holds no real numbers.
    """
    with reading(path), path.open("rb") as file:
        header = _parse(file.read(_HEADER_BYTES))
        n_bytes = path.stat().st_size
    mode = int(header["mode"])
    if mode in _OTHER_MODES:
        raise DataError(
            f"{path} has MRC mode {mode} ({_OTHER_MODES[mode]}), but modes 0, 1, 2, 6 "
            "and 12 are read; save it as real numbers of one of them."
        )
    dtype, shape = _dtype(header), _shape(header)
    offset = _HEADER_BYTES + int(header["n_extended"])
    is_marked = header["map"] == b"MAP"
    if not is_marked and n_bytes != offset + dtype.itemsize * math.prod(shape):
        raise DataError(f"{path} is no MRC file, whatever its name says.")
    axes = "TZYX"[-len(shape) :]
    return Source(mapped_array(path, dtype, shape, offset), axes, _sizes(header))


def _parse(content: bytes) -> Any:
    """Fields of a header, in the order of bytes in which its sizes are small."""
    if len(content) < _HEADER_BYTES:
        raise ValueError(f"the header has {len(content)} of {_HEADER_BYTES} bytes")
    formats, offsets = zip(*_FIELDS.values(), strict=True)
    layout = np.dtype(
        {
            "names": list(_FIELDS),
            "formats": list(formats),
            "offsets": list(offsets),
            "itemsize": _HEADER_BYTES,
        }
    )
    orders = layout.newbyteorder("<"), layout.newbyteorder(">")
    both = [np.frombuffer(content, order)[0] for order in orders]
    header = min(both, key=lambda fields: int(fields["size"].max()))
    if int(header["mode"]) not in (*_DTYPES, *_OTHER_MODES) or not header["size"].all():
        raise ValueError("no header of an MRC file")
    return header


def _dtype(header: Any) -> np.dtype[Any]:
    letters = _DTYPES[int(header["mode"])]
    if letters == "i1" and _is_unsigned(header):
        letters = "u1"
    return np.dtype(letters).newbyteorder(header["size"].dtype.byteorder)


def _is_unsigned(header: Any) -> bool:
    is_of_imod = header["imod_stamp"] == _IMOD_STAMP
    is_flagged = bool(header["imod_flags"] & _IMOD_SIGNED)
    return (is_of_imod and not is_flagged) or bool(header["maximum"] > _MAX_SIGNED)


def _shape(header: Any) -> tuple[int, ...]:
    n_x, n_y, n_z = (int(size) for size in header["size"])
    n_each = int(header["grid"][2])
    if int(header["space_group"]) in _VOLUME_STACK and n_each > 0 and n_z % n_each == 0:
        return n_z // n_each, n_each, n_y, n_x
    return n_z, n_y, n_x


def _sizes(header: Any) -> Mapping[str, float | None]:
    order = [int(number) - 1 for number in header["order"]]
    if sorted(order) != [0, 1, 2]:
        order = [0, 1, 2]
    angstrom: dict[str, float | None] = {}
    for axis, at in zip(reversed(SPATIAL_AXES), order, strict=True):
        grid = int(header["grid"][at])
        angstrom[axis] = float(header["cell"][at]) / grid if grid > 0 else None
    known = calibrated(angstrom)
    return {axis: to_micrometers(size, "angstrom") for axis, size in known.items()}
