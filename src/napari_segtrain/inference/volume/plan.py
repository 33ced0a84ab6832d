"""From a request to a plan: blocks, stores, stages, and how blocks are computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from napari_segtrain.axes import ZYX, item_axes, spatial_axes
from napari_segtrain.config import InferenceConfig, VolumeConfig
from napari_segtrain.inference.collecting import Cut, affordable_numbers
from napari_segtrain.inference.decision import chosen_decision, needs_neighbors
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.rescaling import rescaling_of
from napari_segtrain.inference.tile_settings import choose_tiles
from napari_segtrain.inference.tiling import AxisTiling, read_span
from napari_segtrain.inference.volume.grid import BlockGrid
from napari_segtrain.io.pyramids import Layout, plan_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.image import Image
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.inference.tile_settings import TileSettings
    from napari_segtrain.models import Decision
    from napari_segtrain.networks import NetworkInfo

Stage = Literal["predict", "finish", "join"]

_BLOCKS: dict[int, ZYX] = {2: (8, 2048, 2048), 3: (128, 512, 512)}
_OBJECT_BLOCK: ZYX = (64, 512, 512)
"""Of stacks, in which objects reach from slice to slice."""
_MARGIN, _MARGIN_FLAT = 48, 128


@dataclass(frozen=True)
class VolumePlan:
    """A prediction into stores with nothing left to choose; can be written as JSON.

    Parameters
    ----------
    layout : Layout
        Of the labels; maps have an axis of channels more.
    config : InferenceConfig
        How blocks are computed, the same in every process and after every restart.
    stages : tuple of str
        What is done with each block, one stage after the other.
    margin : ZYX
        Voxels around a block that the stages after the first look at.
    empty : tuple of int
        Blocks that are left as they are.
    cut : Cut, optional
        Tiles of each of several models, and parts; runs of older releases have none.
    reach : ZYX, optional
        How far they look where the margin cuts off parts that may be small.
    """

    layout: Layout
    config: InferenceConfig
    stages: tuple[Stage, ...]
    margin: ZYX
    empty: tuple[int, ...] = ()
    cut: Cut | None = None
    reach: ZYX | None = None

    @property
    def grid(self) -> BlockGrid:
        """The blocks."""
        return BlockGrid(self.layout.leading, self.layout.shape, self.layout.block)


_ADAPTER = TypeAdapter(VolumePlan)


def dump_plan(plan: VolumePlan) -> dict[str, Any]:
    """Plan as values that JSON takes."""
    values: dict[str, Any] = _ADAPTER.dump_python(plan, mode="json")
    return values


def parse_plan(values: dict[str, Any]) -> VolumePlan:
    """Undo `dump_plan`; raises ``ValueError`` for anything else."""
    return _ADAPTER.validate_python(values)


def plan_volume(
    models: Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    volume: VolumeConfig,
    *,
    max_voxels: int,
) -> VolumePlan:
    """Plan a prediction of all of an image.

    Parameters
    ----------
    models : sequence of TrainedModel
        What is applied.
    image : Image
        Already at the resolution that is predicted.
    config, volume
        Settings.
    max_voxels : int
        Of a forward pass; the tiles are chosen with it, for this run and all that go
        on with it.

    Raises
    ------
    ConfigError
        When tiles do not fit; see `choose_tiles`.
    """
    item = image.items()[0]
    model = models[0]
    is_flat = item.shape[0] == 1
    has_objects = model.spec.classes.is_objects
    block = _block(
        volume,
        max(each.info.dims for each in models),
        item.shape,
        has_objects=has_objects,
    )
    letters = item_axes(image.axes)
    counts = tuple(int(image.array.shape[image.axes.index(a)]) for a in letters)
    layout = plan_layout(
        letters + spatial_axes(image.axes), counts, item.shape, block, image.voxel_size
    )
    decision = chosen_decision(model, config, image) if len(models) == 1 else None
    stages: tuple[Stage, ...] = ("predict",)
    if has_objects:
        stages = ("predict", "finish", "join")
    elif needs_neighbors(decision):
        stages = ("predict", "finish")
    pins = [_pinned(each, image, config, layout, max_voxels) for each in models]
    cut = Cut(affordable_numbers(config))
    if len(models) == 1:
        config = pins[0]
    else:
        cut = replace(cut, tiles=tuple(_tiles_of(pin) for pin in pins))
    return VolumePlan(
        layout=layout,
        config=config,
        stages=stages,
        margin=_margin(
            volume, is_flat=is_flat, decision=decision, has_objects=has_objects
        ),
        cut=cut,
        reach=_farthest(volume, decision, is_flat=is_flat),
    )


def _pinned(
    model: TrainedModel,
    image: Image,
    config: InferenceConfig,
    layout: Layout,
    max_voxels: int,
) -> InferenceConfig:
    """Settings with the tiles that a block is best cut into."""
    fitted = fitted_config(config, model)
    info = model.info
    shape, box = layout.shape, _longest_block(layout)
    rescaling = rescaling_of(model, image, config)
    if rescaling is not None:
        shape, box = rescaling.shape(shape), rescaling.box(box, shape)
    tiles = choose_tiles(shape, box, info, fitted, max_voxels=max_voxels)
    z, y, x = (_tile_for_all(tiles, info, shape, box, axis) for axis in range(3))
    return fitted.model_copy(
        update={"tile_size": (z, y, x), "batch_size": tiles.batch_size}
    )


def _tiles_of(pinned: InferenceConfig) -> tuple[ZYX, int]:
    size, batch = pinned.tile_size, pinned.batch_size
    assert size != "auto" and batch != "auto"  # noqa: PT018 - both are pinned
    return size, batch


def _longest_block(layout: Layout) -> Box:
    """A block for which most is read: that has neighbors on all sides, if any has."""
    grid = BlockGrid((), layout.shape, layout.block)
    z, y, x = (min(1, (n - 1) // 2) for n in grid.sides)
    return grid.box((z, y, x))


def _tile_for_all(
    tiles: TileSettings, info: NetworkInfo, shape: ZYX, box: Box, axis: int
) -> int:
    """Tile that other blocks can be read with as well, of a length that is read."""
    tile, grid, margin = tiles.tile[axis], info.grid[axis], info.prediction_margin[axis]
    halo = AxisTiling(tile, tiles.halo[axis], 0, grid)
    span = read_span(shape[axis], box[axis], halo)
    is_whole = tile >= span.stop - span.start
    # what one tile covers here takes some more where it begins elsewhere on the grid
    return tile + 2 * margin + (2 * grid if is_whole else 0)


def _block(volume: VolumeConfig, dims: int, shape: ZYX, *, has_objects: bool) -> ZYX:
    if volume.block_size != "auto":
        return volume.block_size
    return _OBJECT_BLOCK if has_objects and shape[0] > 1 else _BLOCKS[dims]


def _margin(
    volume: VolumeConfig,
    *,
    is_flat: bool,
    decision: Decision | None,
    has_objects: bool,
) -> ZYX:
    """Context of the later stages; none along Z where slices count by themselves."""
    most = _MARGIN_FLAT if is_flat else _MARGIN
    if volume.margin != "auto":
        most = max(volume.margin, 1 if has_objects else 0)
    z, y, x = (most, most, most)
    if not has_objects:
        reach = (0, 0, 0) if decision is None else _reach(decision)
        z, y, x = (min(most, n) for n in reach)
    return 0 if is_flat else z, y, x


def _farthest(
    volume: VolumeConfig, decision: Decision | None, *, is_flat: bool
) -> ZYX | None:
    """All that a decision may depend on, unless the margin was asked for."""
    if decision is None or volume.margin != "auto":
        return None
    z, y, x = _reach(decision)
    return 0 if is_flat else z, y, x


def _reach(decision: Decision) -> ZYX:
    """Voxels on either side that a result may depend on."""
    more = 2 * max(decision.min_voxels) if decision.has_minimum else 0
    _, y, x = decision.window
    return decision.reach, y // 2 + more, x // 2 + more
