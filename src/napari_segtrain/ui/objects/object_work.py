"""Making and measuring objects in a thread, and their result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import item_axes
from napari_segtrain.config import SeparationConfig
from napari_segtrain.control import Event
from napari_segtrain.image import Image
from napari_segtrain.objects.preview_part import PreviewPart
from napari_segtrain.ui.objects.separation_source import SeparationSource

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_segtrain.control import RunControl
    from napari_segtrain.workflows.objects import (
        MeasuredObjects,  # noqa: TC004 - loads SciPy
    )

Row = dict[str, Any]


@dataclass(frozen=True)
class Progress(Event):
    """Items that are done."""

    n_done: int
    n_items: int


@dataclass(frozen=True, eq=False)
class ObjectRequest:
    """What objects are to be made of, and how.

    Parameters
    ----------
    source : SeparationSource
    config : SeparationConfig
    image : Image, optional
        Intensities to measure.
    name : str
        Of the layer.
    """

    source: SeparationSource
    config: SeparationConfig
    image: Image | None
    name: str


@dataclass(frozen=True, eq=False)
class LayerObjects:
    """Objects of a layer.

    Parameters
    ----------
    name : str
        Of the layer that they were made of.
    items : tuple of MeasuredObjects
        One for each item.
    ids : ndarray of int
        Of the whole layer, one dimension for each of ``axes``.
    axes : str
        Those of the layer without channels.
    rows : tuple of dict
        The table, with a row for each object.
    summary : tuple of dict
        A row for each class.
    """

    name: str
    items: tuple[MeasuredObjects, ...]
    ids: npt.NDArray[Any]
    axes: str
    rows: tuple[Row, ...]
    summary: tuple[Row, ...]

    def tables(self, slab: float | None = None) -> Mapping[str, list[Row]]:
        """Every table, see `object_tables`."""
        from napari_segtrain.workflows.object_files import object_tables

        return object_tables({self.name: self.items}, slab=slab)

    def write(self, path: Path, slab: float | None = None) -> list[Path]:
        """Write tables, outlines or surfaces; return the files.

        Parameters
        ----------
        path : Path
            Its suffix says as what: ``.xlsx``, ``.geojson``, ``.zip``, ``.ply``, else
            CSV.
        slab : float, optional
            Of the densities in the tables.

        Raises
        ------
        DataError
            When flat objects are to be written as surfaces.
        """
        from napari_segtrain.workflows.object_exports import write_as
        from napari_segtrain.workflows.object_files import write_tables

        if path.suffix.lower() in (".geojson", ".zip", ".ply"):
            return write_as(path, self.items)
        path = path if path.suffix else path.with_suffix(".csv")
        return write_tables(path, self.tables(slab))


def iter_objects(
    request: ObjectRequest, control: RunControl
) -> Generator[Event, None, LayerObjects | None]:
    """Make objects item by item; ``None`` when it was stopped before the end.

    Raises
    ------
    DataError
        When the values cannot be understood, or the image does not fit.
    """
    from napari_segtrain.workflows.objects import (
        objects_of_labels,
        objects_of_probabilities,
    )

    source, image = request.source, request.source.image
    n_items = len(image.items())
    yield Progress(0, n_items)
    if isinstance(image, Image):
        made = objects_of_probabilities(
            image, request.config, channel=source.channel, image=request.image
        )
    else:
        classes = source.classes()
        labels = image if classes is None else image.with_classes(classes)
        made = objects_of_labels(labels, request.config, image=request.image)
    items: list[MeasuredObjects] = []
    for item in made:
        items.append(item)
        yield Progress(len(items), n_items)
        if control.is_stopping:
            return None
    return _joined(request, items)


def _joined(request: ObjectRequest, items: Sequence[MeasuredObjects]) -> LayerObjects:
    letters = item_axes(request.source.image.axes)
    array = request.source.image.array
    sizes = [int(array.shape[request.source.image.axes.index(a)]) for a in letters]
    kept = "".join(axis for axis in request.source.axes if axis != "C")
    stacked = np.stack([item.objects.ids for item in items])
    stacked = stacked.reshape(*sizes, *stacked.shape[1:])
    made = letters + "ZYX"
    if "Z" not in kept:
        stacked, made = stacked[..., 0, :, :], letters + "YX"
    ids = stacked.transpose([made.index(axis) for axis in kept])
    rows = tuple(row for item in items for row in item.to_rows())
    summary = tuple(row for item in items for row in item.to_summary_rows())
    return LayerObjects(request.name, tuple(items), ids, kept, rows, summary)


@dataclass(frozen=True, eq=False)
class PreviewRequest:
    """A part of a slice, of which objects are made at once.

    Parameters
    ----------
    source : SeparationSource
    config : SeparationConfig
    index : mapping of str to int
        Item that is shown.
    z : int
        Slice that is shown.
    part : PreviewPart
        What is seen of it.
    """

    source: SeparationSource
    config: SeparationConfig
    index: Mapping[str, int]
    z: int
    part: PreviewPart


@dataclass(frozen=True, eq=False)
class PreviewResult:
    """Objects of a part of a slice; ``None`` where they are there already."""

    request: PreviewRequest
    ids: npt.NDArray[Any] | None
    n_objects: int


def make_preview(request: PreviewRequest) -> PreviewResult:
    """Make objects of a part of a slice.

    Raises
    ------
    DataError
        When the values cannot be understood.
    """
    from napari_segtrain.errors import DataError
    from napari_segtrain.objects.preview import preview_objects
    from napari_segtrain.workflows.objects import spacing_of

    source = request.source
    item = source.item(request.index)
    masks = source.masks(item, request.z, request.part)
    if masks is None:
        return PreviewResult(request, None, 0)
    if not masks:
        rows, columns = request.part.key
        shape = (
            len(range(rows.start, rows.stop, rows.step)),
            len(range(columns.start, columns.stop, columns.step)),
        )
        return PreviewResult(request, np.zeros(shape, np.uint32), 0)
    spacing = spacing_of(source.image)[0]
    try:
        found = preview_objects(masks, request.config, request.part, spacing=spacing)
    except ValueError as error:
        raise DataError(f"The layer holds no probabilities: {error}.") from error
    return PreviewResult(request, found.ids[0], len(found.labels))
