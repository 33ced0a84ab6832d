"""What is done with one block: predicted, written, and finished with its surroundings.

Everything here may be done twice, or by another process, with the same result.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import ZstdCodec

from napari_segtrain.axes import ZYX, item_axes
from napari_segtrain.boxes import box_shape, grown_box, relative
from napari_segtrain.inference.canvas import Canvas, cleaned_values
from napari_segtrain.inference.committee import make_predictor
from napari_segtrain.inference.decision import chosen_decision, sees_enough
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.fit import chosen_recipe
from napari_segtrain.inference.item_predictor import item_key
from napari_segtrain.inference.rescaling import rescaling_of
from napari_segtrain.inference.volume.source import ReadAhead, item_position
from napari_segtrain.io.atomic import new_folder
from napari_segtrain.io.guard import reading
from napari_segtrain.objects.joining import local_objects
from napari_segtrain.objects.seeded import make_objects

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.image import Image
    from napari_segtrain.inference.events import EngineChosen, TileDone
    from napari_segtrain.inference.item_predictor import Predictor
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.inference.volume.grid import Block
    from napari_segtrain.inference.volume.plan import VolumePlan
    from napari_segtrain.inference.volume.stores import Stores
    from napari_segtrain.inference.volume.work_folder import WorkFolder

Painted = dict[str, npt.NDArray[Any]]

_CHUNK = 64
_MAX_SURROUNDINGS = 1 << 27
"""Voxels that are looked at around a block, where small parts reach far."""
PIECES = "pieces"


class BlockWork:
    """Work on the blocks of one run, in one process.

    Parameters
    ----------
    models : sequence of TrainedModel
        What is applied.
    image : Image
        At the resolution of the prediction.
    plan : VolumePlan
        Blocks and settings.
    stores : Stores
        Where results go.
    folder : WorkFolder
        Where marks go.
    empty_below : float, optional
        Blocks whose brightest voxel is darker are left empty.
    control : RunControl, optional
        Stop and pause.
    """

    def __init__(
        self,
        models: Sequence[TrainedModel],
        image: Image,
        plan: VolumePlan,
        stores: Stores,
        folder: WorkFolder,
        *,
        empty_below: float | None = None,
        control: RunControl | None = None,
    ) -> None:
        self._models = models
        self._ahead = ReadAhead(image)
        self._plan = plan
        self._grid = plan.grid
        self._stores = stores
        self._folder = folder
        self._empty_below = empty_below
        self._control = control
        self._items = {item_key(item.index): item for item in self._ahead.image.items()}
        self._axes = image.axes
        self._predictor: Predictor | None = None
        self._context = _context(models, image, plan)
        decided = len(models) == 1
        self._decision = (
            chosen_decision(models[0], plan.config, image) if decided else None
        )
        self._recipe = chosen_recipe(models[0], plan.config, image)

    def engines(self, n_voxels: int) -> tuple[EngineChosen, ...]:
        """Make what predicts, for so many voxels, and say what runs the networks."""
        if self._predictor is None:
            self._predictor = make_predictor(
                self._models,
                self._ahead.image,
                self._plan.config,
                self._control,
                n_voxels,
                self._plan.cut,
            )
        return self._predictor.engines

    def load(self, number: int) -> None:
        """Read what the prediction of a block needs."""
        block = self._grid[number]
        box = grown_box(block.box, self._context, self._grid.shape)
        self._ahead.load(number, block.position, box)

    def predict(self, number: int) -> Generator[TileDone, None, Painted | None]:
        """Predict a block that was loaded.

        Returns
        -------
        dict of ndarray, optional
            As of `Canvas.painted`, empty where the block is left empty; ``None`` when
            stopped.
        """
        block = self._grid[number]
        try:
            if self._is_stopped():
                return None
            if self._is_dark(block):
                return {}
            return (yield from self._predicted(block))
        finally:
            self._ahead.drop(number)

    def write(self, number: int, painted: Painted) -> None:
        """Write what was predicted and mark the block.

        Raises
        ------
        OutputError
            When the disk is full or a store cannot be written.
        """
        block = self._grid[number]
        for name, store in self._stores.first_stage().items():
            if name in painted:
                store.open().write(block.position, block.box, painted[name])
        self._folder.mark("predict", number)

    def finish(self, number: int) -> None:
        """Clean a block, or make its objects, with what was predicted around it.

        Raises
        ------
        OutputError
            As of `write`.
        """
        block = self._grid[number]
        found, core = self._surroundings(block)
        if self._recipe is None:
            classes = self._models[0].spec.classes
            values = cleaned_values(found, classes, self._decision)[core]
            self._stores.labels().open().write(block.position, block.box, values)
            self._folder.mark("finish", number)
            return
        recipe = replace(self._recipe, min_voxels=1)
        objects = local_objects(make_objects(found, recipe), core)
        self._write_piece(number, objects.ids)
        sizes = [int(size) for size in objects.sizes]
        self._folder.mark("finish", number, {"sizes": sizes})

    def _surroundings(self, block: Block) -> tuple[npt.NDArray[Any], Box]:
        """Read what lies around a block; more of it where small parts need it.

        Returns
        -------
        ndarray
            Of the block and around it.
        Box
            The block in it.
        """
        margin, most = self._plan.margin, self._plan.reach or self._plan.margin
        store = self._stores.between().open()
        while True:
            piece = grown_box(block.box, margin, self._grid.shape)
            core = relative(block.box, piece)
            found = store.read(block.position, piece)
            z, y, x = (min(2 * n + 1, m) for n, m in zip(margin, most, strict=True))
            widest = grown_box(block.box, (z, y, x), self._grid.shape)
            if (
                self._decision is None
                or widest == piece
                or math.prod(box_shape(widest)) > _MAX_SURROUNDINGS
                or sees_enough(found, core, self._decision)
            ):
                return found, core
            margin = z, y, x

    def read_piece(self, number: int, box: Box) -> npt.NDArray[np.uint32]:
        """Read ids of a block and its surroundings, in a box that lies in them."""
        block = self._grid[number]
        piece = grown_box(block.box, self._plan.margin, self._grid.shape)
        path = self._piece_path(number)
        with reading(path):
            array = zarr.open_array(str(path), mode="r")
            found: npt.NDArray[np.uint32] = np.asarray(array[relative(box, piece)])
        return found

    def _predicted(self, block: Block) -> Generator[TileDone, None, Painted | None]:
        self.engines(0)
        assert self._predictor is not None
        item = self._items[item_position(self._axes, block.position)]
        canvas = Canvas(
            self._ahead.image,
            self._models[0].spec,
            block.box,
            self._plan.config,
            dropped=item_axes(self._axes),
            decision=self._decision,
            objects=self._recipe,
        )
        events = self._predictor.predict(item, block.box)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return canvas.painted() if end.value else None
            if isinstance(event, BlockPredicted):
                canvas.paint(item, event)
            else:
                yield event

    def _is_stopped(self) -> bool:
        """Ask before each block: many dark ones may follow one another."""
        if self._control is None:
            return False
        self._control.wait_while_paused()
        return self._control.is_stopping

    def _is_dark(self, block: Block) -> bool:
        if self._empty_below is None:
            return False
        return self._ahead.brightest(block.position, block.box) < self._empty_below

    def _write_piece(self, number: int, ids: npt.NDArray[np.uint32]) -> None:
        """Write a piece, which appears complete; one that is there is the same."""
        chunk = tuple(min(_CHUNK, n) for n in ids.shape)
        with new_folder(self._piece_path(number)) as path:
            array = zarr.create_array(
                str(path),
                shape=ids.shape,
                shards=tuple(
                    -(-n // c) * c for n, c in zip(ids.shape, chunk, strict=True)
                ),
                chunks=chunk,
                dtype=ids.dtype,
                compressors=ZstdCodec(level=1),
            )
            array[...] = ids

    def _piece_path(self, number: int) -> Path:
        return self._folder.run / PIECES / str(number)


def _context(models: Sequence[TrainedModel], image: Image, plan: VolumePlan) -> ZYX:
    """Voxels around a block that tiles read: what networks see, rounded to the grid."""
    needed = [_context_of(model, image, plan.config) for model in models]
    z, y, x = (max(widths) for widths in zip(*needed, strict=True))
    return z, y, x


def _context_of(model: TrainedModel, image: Image, config: InferenceConfig) -> ZYX:
    info = model.info
    reach = info.radius if info.halo is None else info.halo
    if isinstance(config.halo, tuple):
        reach = config.halo
    widths = zip(reach, info.grid, info.prediction_margin, strict=True)
    read = model.spec.normalization.reach
    z, y, x = (
        n + 2 * grid + margin + more
        for (n, grid, margin), more in zip(widths, read, strict=True)
    )
    rescaling = rescaling_of(model, image, config)
    return (z, y, x) if rescaling is None else rescaling.context((z, y, x))
