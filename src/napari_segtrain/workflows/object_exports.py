"""Objects for other programs: outlines, surfaces, counts in regions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_segtrain.axes import size_text
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassInfo, default_color
from napari_segtrain.objects.counting import counts_by_region
from napari_segtrain.objects.geojson import write_geojson
from napari_segtrain.objects.imagej_rois import write_rois
from napari_segtrain.objects.meshes import mesh_objects
from napari_segtrain.objects.outlines import iter_outlines
from napari_segtrain.objects.ply import write_ply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_segtrain.image import Image, LabelImage
    from napari_segtrain.objects.outlines import Outline
    from napari_segtrain.workflows.objects import MeasuredObjects

OutlineFormat = Literal["geojson", "imagej"]

SUFFIXES: dict[OutlineFormat, str] = {"geojson": ".geojson", "imagej": "_rois.zip"}
MESH_SUFFIX = ".ply"


def write_outlines(
    start: Path,
    items: Sequence[MeasuredObjects],
    kind: OutlineFormat,
    *,
    tolerance: float = 0.0,
    suffix: str | None = None,
) -> list[Path]:
    """Write the outlines of objects, slice by slice, for QuPath or ImageJ.

    Parameters
    ----------
    start : Path
        What the name of the files begins with; of several items each has its own.
    items : sequence of MeasuredObjects
    kind : "geojson" or "imagej"
    tolerance : float
        Voxels that a simplified outline may be off; 0 keeps the edges of the voxels.
    suffix : str, optional
        Of the files; usual ones without it.

    Returns
    -------
    list of Path
        What was written.
    """
    written = []
    for item in items:
        path = _place(start, item, len(items), suffix or SUFFIXES[kind])
        slices = iter_outlines(item.objects.ids, tolerance=tolerance)
        outlines: Iterator[Outline] = (line for lines in slices for line in lines)
        if kind == "geojson":
            classes = _classes(item)
            write_geojson(path, outlines, class_of=classes.get)
        else:
            write_rois(path, outlines)
        written.append(path)
    return written


def write_surfaces(
    start: Path, items: Sequence[MeasuredObjects], *, suffix: str = MESH_SUFFIX
) -> list[Path]:
    """Write the smoothed surfaces of objects in µm as PLY.

    Raises
    ------
    DataError
        When an item is flat.
    """
    written = []
    for item in items:
        if item.table.is_flat:
            raise DataError(
                "An image of a single slice has no surfaces; leave them out, or give "
                "volumes."
            )
        if not len(item.table):
            continue
        path = _place(start, item, len(items), suffix)
        write_ply(path, mesh_objects(item.objects.ids, item.spacing))
        written.append(path)
    return written


def write_as(path: Path, items: Sequence[MeasuredObjects]) -> list[Path]:
    """Write outlines or surfaces to a file whose ending says which.

    Parameters
    ----------
    path : Path
        ``.geojson``, ``.zip`` (ROIs) or ``.ply``; of several items each has its own.
    items : sequence of MeasuredObjects

    Raises
    ------
    DataError
        When flat objects are to be written as surfaces.
    """
    start, suffix = path.with_suffix(""), path.suffix
    if suffix.lower() == ".ply":
        return write_surfaces(start, items, suffix=suffix)
    kind: OutlineFormat = "imagej" if suffix.lower() == ".zip" else "geojson"
    return write_outlines(start, items, kind, suffix=suffix)


def check_regions(regions: LabelImage, source: Image | LabelImage) -> None:
    """Refuse regions of another size, before anything is measured.

    Raises
    ------
    DataError
    """
    _check_size(regions, source.items()[0].shape)


def _check_size(regions: LabelImage, shape: tuple[int, ...]) -> None:
    size = regions.items()[0].shape
    if size[1:] != shape[1:] or size[0] not in (1, shape[0]):
        raise DataError(
            f"The regions {regions.name} have {size_text(size)} voxels (Z, Y, X) and "
            f"the objects {size_text(shape)}; give regions of the same image."
        )


def region_rows(item: MeasuredObjects, regions: LabelImage) -> Iterator[dict[str, Any]]:
    """Count the objects in each region of a label image, by class.

    Parameters
    ----------
    item : MeasuredObjects
    regions : LabelImage
        Id of the region of each voxel, 0 for none; one slice holds for all, and one
        item for all where it has no time axis.

    Yields
    ------
    dict
        ``region``, 0 for outside of all; ``class``; ``n_objects`` whose center lies
        there; ``voxels``; ``density`` per unit of volume, or of area.

    Raises
    ------
    DataError
        When the regions are of another size.
    """
    shape = item.objects.ids.shape
    _check_size(regions, shape)
    places = {tuple(sorted(part.index.items())): part for part in regions.items()}
    part = places.get(tuple(sorted(item.index.items())), regions.items()[0])
    values = as_integers(part.read()[0], name=regions.name)
    depth = 1 if values.shape[0] == shape[0] else shape[0]
    spacing = item.spacing[1:] if item.table.is_flat else item.spacing
    voxel = math.prod(spacing) * depth
    centers = item.table.centers / np.array(item.spacing)
    plane = values[0] if values.shape[0] == 1 else values
    for name in dict.fromkeys(item.objects.class_names.tolist()):
        chosen = centers[item.objects.class_names == name]
        for count in counts_by_region(chosen, plane):
            size = (count.n_voxels or 0) * voxel
            yield {
                **item.place,
                "region": count.region,
                "class": name,
                "n_objects": count.n_objects,
                "voxels": (count.n_voxels or 0) * depth,
                "density": count.n_objects / size if size else None,
                "unit": item.table.unit,
            }


def _place(start: Path, item: MeasuredObjects, n_items: int, suffix: str) -> Path:
    parts = [f"_{axis.lower()}{at}" for axis, at in item.index.items()]
    index = "".join(parts) if n_items > 1 else ""
    return start.with_name(f"{start.name}{index}{suffix}")


def _classes(item: MeasuredObjects) -> dict[int, ClassInfo]:
    """Class of each id, with a color."""
    names = list(dict.fromkeys(item.objects.class_names.tolist()))
    known = {
        name: ClassInfo(i + 1, name, default_color(i + 1))
        for i, name in enumerate(names)
    }
    labels = item.objects.labels.tolist()
    pairs = zip(labels, item.objects.class_names.tolist(), strict=True)
    return {label: known[name] for label, name in pairs}
