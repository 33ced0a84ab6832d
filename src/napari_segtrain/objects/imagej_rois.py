"""Outlines of objects as ZIP files of ROIs, as ImageJ's ROI Manager writes them.

An ROI is an object in a slice: a traced polygon, or a composite of all rings where it
has holes or several pieces. Its name is the id, its position the slice.
"""

from __future__ import annotations

import zipfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from roifile import ROI_TYPE, ImagejRoi

from napari_segtrain.errors import DataError
from napari_segtrain.io.atomic import atomic_path
from napari_segtrain.io.guard import check_exists, reading
from napari_segtrain.objects.exchange import (
    FoundShape,
    as_id,
    as_outlines,
    from_pixel_corners,
    nested,
    to_pixel_corners,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_segtrain.objects.outlines import Outline

    Corners = npt.NDArray[Any]

_AREAS = {
    ROI_TYPE.POLYGON,
    ROI_TYPE.RECT,
    ROI_TYPE.OVAL,
    ROI_TYPE.FREEHAND,
    ROI_TYPE.TRACED,
}
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
_LARGEST_WHOLE = 60_535
"""Coordinates beyond are written as real numbers."""
_SUFFIX = ".roi"


def write_rois(path: str | Path, outlines: Iterable[Outline]) -> int:
    """Write outlines as a ZIP file of ROIs.

    Parameters
    ----------
    path : str or Path
        Usually ``.zip``.
    outlines : iterable of Outline
        Pieces of an object in a slice follow each other, as in `trace_outlines`.

    Returns
    -------
    int
        ROIs: objects in slices.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    names: set[str] = set()
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for (z, object_id), pieces in groupby(outlines, lambda o: (o.z, o.id)):
            rings = [to_pixel_corners(ring) for piece in pieces for ring in piece.rings]
            roi = _polygon(rings[0]) if len(rings) == 1 else _composite(rings)
            roi.name, roi.position = str(object_id), z + 1
            name = _free_name(f"{z + 1:04d}-{object_id}", names)
            archive.writestr(name + _SUFFIX, roi.tobytes())
    return len(names)


def _free_name(name: str, names: set[str]) -> str:
    """Name of a file that no other in the archive has."""
    free, number = name, 2
    while free in names:
        free, number = f"{name}-{number}", number + 1
    names.add(free)
    return free


def _polygon(corners: Corners) -> ImagejRoi:
    if corners.max() > _LARGEST_WHOLE or corners.min() < 0:
        corners = corners.astype(np.float64)
    roi: ImagejRoi = ImagejRoi.frompoints(corners)
    roi.roitype = ROI_TYPE.TRACED if corners.dtype.kind == "i" else ROI_TYPE.FREEHAND
    _set_box(roi, corners)
    return roi


def _composite(rings: list[Corners]) -> ImagejRoi:
    """Path of Java's even-odd shapes: each ring is moved to, drawn and closed."""
    roi = ImagejRoi()
    roi.roitype = ROI_TYPE.RECT
    parts: list[Corners] = []
    for ring in rings:
        steps = np.insert(ring.astype(np.float32), 0, _LINE, axis=1)
        steps[0, 0] = _MOVE
        parts += [steps.ravel(), np.array([_CLOSE], np.float32)]
    roi.multi_coordinates = np.concatenate(parts)
    roi.shape_roi_size = len(roi.multi_coordinates)
    _set_box(roi, np.concatenate(rings))
    return roi


def _set_box(roi: ImagejRoi, corners: Corners) -> None:
    roi.left, roi.top = np.floor(corners.min(axis=0)).astype(int).tolist()
    roi.right, roi.bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()


def read_rois(path: str | Path) -> list[Outline]:
    """Read the areas of a ZIP file of ROIs, or of one ROI.

    The id of an object is the name of the ROI where that is a whole number; others are
    numbered. ROIs without a position are on the first slice; lines, points and text
    are left out, ovals become polygons.

    Raises
    ------
    DataError
        When the file cannot be read, or holds no area.
    """
    path = Path(path)
    check_exists(path)
    with reading(path, zipfile.BadZipFile):
        shapes = [_shape(roi) for roi in _read(path) if roi.roitype in _AREAS]
    if not any(shape.polygons for shape in shapes):
        raise DataError(
            f"There is no ROI with an area in {path}; save polygons, ovals or "
            "rectangles from ImageJ's ROI Manager."
        )
    return as_outlines(shapes)


def _read(path: Path) -> Iterator[ImagejRoi]:
    if not zipfile.is_zipfile(path):
        yield ImagejRoi.frombytes(path.read_bytes())
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.lower().endswith(_SUFFIX):
                roi = ImagejRoi.frombytes(archive.read(name))
                roi.name = roi.name or Path(name).stem
                yield roi


def _shape(roi: ImagejRoi) -> FoundShape:
    rings = [from_pixel_corners(ring) for ring in roi.coordinates(multi=True)]
    position = roi.z_position or roi.position
    return FoundShape(as_id(roi.name), max(position - 1, 0), nested(rings))
