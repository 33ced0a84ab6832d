"""Objects and their measurements as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import item_axes
from napari_segtrain.evaluation.publishing.excel import write_workbook
from napari_segtrain.evaluation.table import to_csv
from napari_segtrain.io.atomic import write_text
from napari_segtrain.io.writing import write_labels
from napari_segtrain.workflows.object_exports import region_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_segtrain.image import Image, LabelImage
    from napari_segtrain.workflows.objects import MeasuredObjects

Row = dict[str, Any]
Rows = list[Row]

TABLES = (
    *("objects", "summary", "slices", "contacts", "class_contacts", "density"),
    "regions",
)
"""What there are tables of."""


def object_tables(
    measured: Mapping[str, Sequence[MeasuredObjects]],
    *,
    slab: float | None = None,
    regions: LabelImage | None = None,
) -> dict[str, Rows]:
    """Every table of several images, by its name; tables without rows included.

    Parameters
    ----------
    measured : mapping of str to sequence of MeasuredObjects
        Name of an image to its items.
    slab : float, optional
        Thickness of the slab that densities are of, in the unit of the measurements;
        none are without it.
    regions : LabelImage, optional
        In which objects are counted.

    Raises
    ------
    DataError
        When the regions are of another size.
    """
    tables: dict[str, Rows] = {name: [] for name in TABLES}
    for image, items in measured.items():
        for item in items:
            start = {"image": image}
            rows = {
                "objects": item.to_rows(),
                "summary": item.to_summary_rows(),
                "slices": item.to_slice_rows(),
                "contacts": item.to_contact_rows(),
                "class_contacts": item.to_class_contact_rows(),
                "density": iter(()) if slab is None else item.to_density_rows(slab),
                "regions": iter(()) if regions is None else region_rows(item, regions),
            }
            for name, found in rows.items():
                tables[name] += [{**start, **row} for row in found]
    return {name: _same_columns(rows) for name, rows in tables.items()}


def write_tables(path: Path, tables: Mapping[str, Rows]) -> list[Path]:
    """Write tables that have rows as CSV, or as one Excel workbook, by the ending.

    Parameters
    ----------
    path : Path
        ``NAME.xlsx``; or ``NAME.csv``, beside which ``NAME_summary.csv`` and others are
        written.
    tables : mapping of str to list of dict
        As `object_tables` gives them; the first is ``NAME.csv``.

    Returns
    -------
    list of Path
        What was written.
    """
    if path.suffix.lower() == ".xlsx":
        write_workbook(path, tables)
        return [path]
    written = []
    for number, (name, rows) in enumerate(tables.items()):
        file = path.with_name(f"{path.stem}_{name}.csv") if number else path
        if rows:
            write_text(file, to_csv(rows))
            written.append(file)
    return written


def write_objects(
    path: Path, items: Sequence[MeasuredObjects], source: Image | LabelImage
) -> None:
    """Write the ids of the objects of all items as OME-TIFF.

    Parameters
    ----------
    path : Path
    items : sequence of MeasuredObjects
        In the order of the items of the source.
    source : Image or LabelImage
        What they were made of: has axes and voxel size.
    """
    letters = item_axes(source.axes)
    sizes = [int(source.array.shape[source.axes.index(axis)]) for axis in letters]
    stacked: npt.NDArray[Any] = np.stack([item.objects.ids for item in items])
    spatial = "ZYX" if "Z" in source.axes else "YX"
    shape = (*sizes, *stacked.shape[-len(spatial) :])
    write_labels(
        path,
        stacked.reshape(shape),
        axes=letters + spatial,
        voxel_size=source.voxel_size,
    )


def _same_columns(rows: Rows) -> Rows:
    """Rows with all columns that any of them has, in order; ``None`` where missing."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]
