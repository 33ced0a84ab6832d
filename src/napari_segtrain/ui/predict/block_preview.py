"""Which blocks a prediction into stores would leave empty, as a layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.classes.class_metadata import write_class_table
from napari_segtrain.ui.layers.results import Origin, store_result
from napari_segtrain.ui.layers.transforms import placement
from napari_segtrain.ui.predict.prediction_events import Job, Order
from napari_segtrain.ui.predict.store_work import check_store, mask_of, region_of
from napari_segtrain.ui.worker import start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari.components import ViewerModel

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.inference.volume.preview import VolumePreview
    from napari_segtrain.models import Model
    from napari_segtrain.ui.predict.prediction_run import Request
    from napari_segtrain.ui.worker import Task

_ROWS = (
    ClassInfo(1, "predicted", "#3cb44b"),
    ClassInfo(2, "outside of the area", "#911eb4"),
    ClassInfo(3, "dark", "#e6194b"),
)
_VALUES = {None: 1, "region": 2, "mask": 2, "dark": 3}
_MB, _GB = 1e6, 1e9


@dataclass(frozen=True)
class BlockMap:
    """The blocks of an image.

    Parameters
    ----------
    values : ndarray of uint8
        A voxel for each block, on the item axes and along Z, Y, X: 1 for one that is
        predicted, 2 for one outside of the area, 3 for a dark one.
    block : tuple of int
        Size of a block along Z, Y, X, in voxels of the image.
    text : str
        How many there are, for people.
    """

    values: npt.NDArray[np.uint8]
    block: tuple[int, ...]
    text: str


class BlockPreview(QObject):
    """Looks at blocks in a thread, and shows them as layers.

    Attributes
    ----------
    shown : Signal(str)
        What was found, in a sentence for each image.
    failed : Signal(Failure)
        Why nothing was.
    """

    shown = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._origins: list[Origin] = []
        self._viewer: Callable[[], ViewerModel | None] = lambda: None

    @property
    def is_running(self) -> bool:
        """Whether blocks are being looked at."""
        return self._task is not None and self._task.is_running

    def start(
        self,
        requests: Sequence[Request],
        order: Order,
        load: Callable[[Sequence[Any]], tuple[list[Model], str]],
        viewer: Callable[[], ViewerModel | None],
    ) -> None:
        """Look at the blocks of images; what was asked for before is dropped.

        Parameters
        ----------
        requests : sequence of Request
            Images.
        order : Order
            Models, settings and blocks.
        load : callable
            Gives the models of some paths.
        viewer : callable
            Gives the viewer, or ``None`` when it is closed.
        """
        if self._task is not None:
            self._task.stop()
        self._origins = [request.origin for request in requests]
        self._viewer = viewer
        jobs = [Job(each.image, each.axes, each.scope) for each in requests]
        task = self._task = start_task(
            partial(_iter_maps, jobs, order, load), title="Looking at blocks"
        )
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self.failed)

    def _on_task_succeeded(self, maps: list[BlockMap]) -> None:
        viewer = self._viewer()
        if viewer is None or self.sender() is not self._task:
            return
        for origin, found in zip(self._origins, maps, strict=False):
            _show(viewer, origin, found)
        self.shown.emit("\n".join(found.text for found in maps))


def _iter_maps(
    jobs: Sequence[Job],
    order: Order,
    load: Callable[[Sequence[Any]], tuple[list[Model], str]],
    control: RunControl,
) -> Generator[Event, None, list[BlockMap]]:
    from napari_segtrain.inference.volume.opening import Area
    from napari_segtrain.inference.volume.preview import iter_preview

    models, _ = load(order.models)
    store = order.store
    maps: list[BlockMap] = []
    for job in jobs:
        if store is None or control.is_stopping:
            break
        check_store(job)
        area = Area(region_of(job), mask_of(job))
        preview = yield from iter_preview(
            models, job.image, order.config, store.volume, area=area, control=control
        )
        if preview.is_complete:
            maps.append(_map_of(job, preview))
    return maps


def _map_of(job: Job, preview: VolumePreview) -> BlockMap:
    boxes = [block.image_box for block in preview.blocks]
    first = boxes[0]
    size = tuple(part.stop - part.start for part in first)
    places = [
        tuple(part.start // n for part, n in zip(box, size, strict=True))
        for box in boxes
    ]
    positions = [block.position for block in preview.blocks]
    indices = [(*p, *q) for p, q in zip(positions, places, strict=True)]
    shape = tuple(np.max(indices, axis=0) + 1)
    values = np.zeros(shape, np.uint8)
    for index, block in zip(indices, preview.blocks, strict=True):
        values[index] = _VALUES[block.reason]
    return BlockMap(values, size, _words(job, preview))


def _words(job: Job, preview: VolumePreview) -> str:
    n = preview.n_blocks
    n_empty = preview.n_total - n(None)
    return (
        f"{job.image.name}: {n_empty} of {preview.n_total} blocks would be left empty "
        f"({n('region') + n('mask')} outside of the area, {n('dark')} dark); "
        f"{100 * preview.share:.0f} % of the voxels would be predicted, into stores of "
        f"at most {_size_text(preview.n_bytes)}."
    )


def _size_text(n_bytes: int) -> str:
    is_large = n_bytes > _GB / 10
    return f"{n_bytes / _GB:.2g} GB" if is_large else f"{n_bytes / _MB:.2g} MB"


def _show(viewer: ViewerModel, origin: Origin, found: BlockMap) -> None:
    """Add the layer of an image, or show other blocks in it."""
    place = placement(origin.layer, origin.axes, level=origin.level)
    letters = "".join(axis for axis in place.axes if axis != "C")
    n_items = sum(axis not in SPATIAL_AXES for axis in letters)
    values = found.values if "Z" in letters else found.values.squeeze(-3)
    sizes = [*(1,) * n_items, *found.block[-(len(letters) - n_items) :]]
    to_voxels = np.diag([*sizes, 1.0])
    to_voxels[:-1, -1] = (np.array(sizes) - 1) / 2
    kept = place.along(letters)
    name = f"{origin.layer.name} blocks"
    for layer in [each for each in viewer.layers if each.name == name]:
        viewer.layers.remove(layer)
    layer = Labels(
        values,
        name=name,
        affine=kept.matrix @ to_voxels,
        units=kept.units,
        axis_labels=[axis.lower() for axis in letters],
        opacity=0.3,
    )
    write_class_table(layer, ClassTable(_ROWS, zero="unlabelled"))
    store_result(layer, kind="blocks", layer_id=str(layer.unique_id))
    layer.editable = False
    viewer.add_layer(layer)
