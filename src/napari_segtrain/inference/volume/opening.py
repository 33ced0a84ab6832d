"""Begin a prediction into stores, or go on with the one that is there."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES, ZYX, spatial_axes
from napari_segtrain.boxes import Box
from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import (
    ConfigError,
    DataError,
    OtherResultFound,
    OutputError,
)
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference.committee import check_committee
from napari_segtrain.inference.engines import choose_engine
from napari_segtrain.inference.fit import check_fit, chosen_recipe
from napari_segtrain.inference.protocol import Runtime, TrainedModel
from napari_segtrain.inference.rescaling import rescaling_of
from napari_segtrain.inference.volume.block_work import BlockWork
from napari_segtrain.inference.volume.plan import (
    VolumePlan,
    dump_plan,
    parse_plan,
    plan_volume,
)
from napari_segtrain.inference.volume.request import (
    Request,
    describe_request,
    differences,
)
from napari_segtrain.inference.volume.source import at_lower_resolution
from napari_segtrain.inference.volume.stores import Stores
from napari_segtrain.inference.volume.work_folder import (
    WorkFolder,
    read_report,
    work_path,
    write_report,
)
from napari_segtrain.io import fingerprint
from napari_segtrain.io.atomic import remove_folder
from napari_segtrain.io.pyramids import remove_leftovers
from napari_segtrain.networks import choose_device, choose_devices, on_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl


@dataclass(frozen=True)
class Area:
    """Which part of an image is predicted; blocks without voxels of it are left empty.

    Parameters
    ----------
    region : Box, optional
        ZYX voxels of the image; all of it without.
    mask : LabelImage, optional
        Where it is not 0; of the shape of the image, or at a lower resolution of the
        same place.
    """

    region: Box | None = None
    mask: LabelImage | None = None


@dataclass(frozen=True)
class OpenVolume:
    """A run that can be worked on.

    Parameters
    ----------
    path : Path
        Store of the labels.
    models : tuple of TrainedModel
        What is applied.
    image : Image
        At the resolution of the prediction.
    plan : VolumePlan
        Blocks and settings; those of the beginning of the run.
    volume : VolumeConfig
        As it was given.
    folder : WorkFolder
        Of marks.
    stores : Stores
        Of results.
    request : dict
        By which the run is known again.
    is_complete : bool
        Whether there is nothing left to do.
    """

    path: Path
    models: tuple[TrainedModel, ...]
    image: Image
    plan: VolumePlan
    volume: VolumeConfig
    folder: WorkFolder
    stores: Stores
    request: Request
    is_complete: bool = False

    @cached_property
    def wanted(self) -> list[int]:
        """Numbers of the blocks that are not left empty."""
        empty = set(self.plan.empty)
        return [n for n in range(self.plan.grid.n_blocks) if n not in empty]

    @property
    def min_voxels(self) -> int:
        """Smallest object."""
        recipe = chosen_recipe(self.models[0], self.plan.config, self.image)
        return 1 if recipe is None else recipe.min_voxels

    @property
    def is_parted(self) -> bool:
        """Whether seeds part objects that touch."""
        recipe = chosen_recipe(self.models[0], self.plan.config, self.image)
        return recipe is not None and bool(recipe.parts)

    def block_work(self, control: RunControl | None = None) -> BlockWork:
        """What works on its blocks in this process."""
        below = self.volume.empty_below
        return BlockWork(
            self.models,
            self.image,
            self.plan,
            self.stores,
            self.folder,
            empty_below=None if below == "none" else below,
            control=control,
        )

    def was_completed(self) -> bool:
        """Whether another process has completed the run meanwhile."""
        return not self.folder.exists and read_report(self.path) == self.request

    def complete(self) -> None:
        """Note that the stores are complete, and remove what was between."""
        if not self.path.exists():  # of objects, where no block was wanted
            self.stores.labels().create()
        for store in self.stores.results:
            remove_leftovers(store)
        write_report(self.stores.results, self.request)
        self.folder.remove()


def open_volume(  # noqa: PLR0913 - what a run is
    models: Sequence[TrainedModel],
    image: Image,
    path: Path,
    config: InferenceConfig,
    volume: VolumeConfig,
    *,
    area: Area | None = None,
    overwrite: bool = False,
    may_begin: bool = True,
) -> OpenVolume:
    """Begin a run, or open the one that was begun with the same models and settings.

    Parameters
    ----------
    models : sequence of TrainedModel
        What is applied.
    image : Image
        What is predicted.
    path : Path
        Store of the labels; best ending in ``.ome.zarr``. Those of maps lie in folders
        beside it.
    config, volume
        Settings.
    area : Area, optional
        Which part of the image; all of it without.
    overwrite : bool
        Replace what is there.
    may_begin : bool
        False for workers, which go on with a run only.

    Raises
    ------
    ModelError, ConfigError, DataError
        When models, settings and image do not fit.
    OutputError
        When another result is there, or the place cannot be written to.
    """
    area = area or Area()
    for model in models:
        check_fit(model, image)
    check_committee(models, config)
    chosen_recipe(models[0], config)
    _check(image, volume, area)
    coarse = at_lower_resolution(image, volume.downsampling)
    rescalings = [rescaling_of(model, coarse, config) for model in models]
    described = _describe(area)
    request = describe_request(models, image, config, volume, described, rescalings)
    folder = WorkFolder(work_path(path))
    origin = _origin(image, volume)

    def opened(plan: VolumePlan, *, is_complete: bool = False) -> OpenVolume:
        stores = Stores(path, folder.run, plan, coarse, models[0].spec, origin)
        return OpenVolume(
            path,
            tuple(models),
            coarse,
            plan,
            volume,
            folder,
            stores,
            request,
            is_complete=is_complete,
        )

    if not overwrite:
        found = _begun(folder, request)
        if found is not None:
            return _with_stores(opened(_on_device(found, config)))
        if may_begin and path.exists():
            _check_complete(path, request)
            plan = plan_volume(models, coarse, config, volume, max_voxels=1 << 20)
            return opened(plan, is_complete=True)
    if not may_begin:
        raise OutputError(
            f"There is no run at {path}, as this computer sees it; give workers the "
            "same folders as the process that began it."
        )
    plan = _complete_plan(models, coarse, config, volume, area)
    _clear(opened(plan), overwrite=overwrite)
    if not folder.write_manifest({"request": request, "plan": dump_plan(plan)}):
        found = _begun(folder, request)  # another process was faster
        plan = plan if found is None else found
    return _with_stores(opened(plan))


def _begun(folder: WorkFolder, request: Request) -> VolumePlan | None:
    """Plan of the run that was begun; ``None`` without one.

    Raises
    ------
    OutputError
        When it was begun with something else.
    """
    manifest = folder.read_manifest()
    if manifest is None:
        return None
    _compare(folder.path, manifest["request"], request)
    return parse_plan(manifest["plan"])


def _check_complete(path: Path, request: Request) -> None:
    report = read_report(path)
    if report is None:
        raise OtherResultFound(
            f"{path} exists already and is no result of this program; choose another "
            "name."
        )
    _compare(path, report, request)


def _clear(volume: OpenVolume, *, overwrite: bool) -> None:
    """Make room for the stores of a run.

    Raises
    ------
    OutputError
        When something is in the way that must not be deleted.
    """
    there = [store for store in volume.stores.results if store.exists()]
    for store in there:
        was_begun = volume.folder.exists and store == volume.path
        is_result = read_report(store) is not None or was_begun
        is_map = store != volume.path and (store / "zarr.json").is_file()
        if not overwrite or not (is_result or (is_map and volume.folder.exists)):
            way_out = "" if not is_result else ", or replace it with --overwrite"
            raise OtherResultFound(
                f"{store} exists already; choose another name{way_out}."
            )
    if overwrite:
        volume.folder.remove()  # first: no mark may be left without its store
    for store in there:
        remove_folder(store)


def _with_stores(volume: OpenVolume) -> OpenVolume:
    plans = list(volume.stores.first_stage().values())
    if "join" not in volume.plan.stages:  # ids are counted before their store is made
        plans.append(volume.stores.labels())
    for plan in plans:
        plan.create()
    return volume


def _on_device(plan: VolumePlan, config: InferenceConfig) -> VolumePlan:
    """Go on with the device that is asked for, if one is."""
    if config.device in ("auto", plan.config.device):
        return plan
    changes = {"device": config.device, "engine": "torch"}
    return replace(plan, config=plan.config.model_copy(update=changes))


def _compare(path: Path, begun: Request, request: Request) -> None:
    changed = differences(begun, request)
    if changed:
        raise OtherResultFound(
            f"{path} was made with {changed}; go on with the same, choose another "
            "name, or begin again with --overwrite."
        )


def _check(image: Image, volume: VolumeConfig, area: Area) -> None:
    shape = image.items()[0].shape
    for axis, factor, size in zip(
        SPATIAL_AXES, volume.downsampling, shape, strict=True
    ):
        if factor > size:
            raise ConfigError(
                f"Downsampling by {factor} along {axis} leaves nothing of the {size} "
                "voxels there; choose a smaller factor."
            )
    if area.region is not None:
        for axis, part, size in zip(SPATIAL_AXES, area.region, shape, strict=True):
            if not 0 <= part.start < part.stop <= size:
                raise DataError(
                    f"The region {part.start}:{part.stop} along {axis} is not in "
                    f"{image.name}, which has {size} voxels there; choose from 0 to "
                    f"{size}."
                )
    if area.mask is not None:
        _check_mask(area.mask, image, shape)


def _check_mask(mask: LabelImage, image: Image, shape: ZYX) -> None:
    (first, *others) = mask.items()
    is_flat = "Z" not in mask.axes
    ratios = [n / m for n, m in zip(shape, first.shape, strict=True)][is_flat:]
    if others or not all(ratio >= 1 for ratio in ratios):
        raise DataError(
            f"The mask {mask.name} has the shape {tuple(mask.array.shape)} (axes "
            f"{mask.axes}), but {image.name} {tuple(image.array.shape)} (axes "
            f"{image.axes}); give one mask of the same place, as large or smaller."
        )


def _describe(area: Area) -> Request:
    region = area.region
    return {
        "region": region and [[part.start, part.stop] for part in region],
        "mask": area.mask and _mask_hash(area.mask),
    }


def _mask_hash(mask: LabelImage) -> str:
    if mask.source is not None:
        return f"{mask.level} {fingerprint(mask.source)}"
    digest = hashlib.sha256(repr(mask.array.shape).encode())
    for number in range(mask.array.shape[0]):
        digest.update(np.ascontiguousarray(mask.array[number]).data)
    return digest.hexdigest()


def _origin(image: Image, volume: VolumeConfig) -> tuple[float, ...]:
    """Place of the first voxel of the result, whose middle is that of several."""
    letters = spatial_axes(image.axes)
    sizes = image.voxel_size or (1.0,) * len(letters)
    factors = dict(zip(SPATIAL_AXES, volume.downsampling, strict=True))
    return tuple(
        size * (factors[axis] - 1) / 2
        for axis, size in zip(letters, sizes, strict=True)
    )


def _complete_plan(
    models: Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    volume: VolumeConfig,
    area: Area,
) -> VolumePlan:
    """Plan with the engine that is fastest here, and the blocks that are empty."""
    n_voxels = math.prod(image.items()[0].shape) * len(image.items())
    chosen = [choose_engine(model, config, n_voxels) for model in models]
    engines = {engine.engine for _, engine in chosen}
    wanted = config.device
    config = config.model_copy(
        update={
            "engine": engines.pop() if len(engines) == 1 else "torch",
            "device": choose_device(wanted).type,
        }
    )
    runtimes = [runtime for runtime, _ in chosen]
    limit = min(_max_voxels(runtimes, device) for device in choose_devices(wanted))
    plan = plan_volume(models, image, config, volume, max_voxels=limit)
    return replace(plan, empty=tuple(empty_blocks(plan, volume, area)))


def _max_voxels(runtimes: Sequence[Runtime], device: torch.device) -> int:
    """Voxels that all networks can be given at once on one device of several."""
    with on_device(device):
        return min(runtime.max_voxels for runtime in runtimes)


def empty_blocks(plan: VolumePlan, volume: VolumeConfig, area: Area) -> list[int]:
    """Numbers of the blocks that have nothing of an area; in order.

    Parameters
    ----------
    plan : VolumePlan
        Blocks.
    volume : VolumeConfig
        Resolution of the blocks.
    area : Area
        At the resolution of the image.
    """
    grid = plan.grid
    wanted = set(range(grid.n_blocks))
    if area.region is not None:
        z, y, x = (
            slice(part.start // factor, -(-part.stop // factor))
            for part, factor in zip(area.region, volume.downsampling, strict=True)
        )
        wanted &= set(grid.touching((z, y, x)))
    if area.mask is not None:
        (mask,) = area.mask.items()
        seen: dict[ZYX, bool] = {}
        for number in sorted(wanted):
            block = grid[number]
            if block.place not in seen:
                place = _scaled(block.box, grid.shape, mask.shape)
                seen[block.place] = bool(np.any(mask.read(place)))
            if not seen[block.place]:
                wanted.discard(number)
    return [number for number in range(grid.n_blocks) if number not in wanted]


def _scaled(box: Box, shape: ZYX, other: ZYX) -> Box:
    """Box of an image as one of a mask of the same place."""
    z, y, x = (
        slice(part.start * m // n, max(-(-part.stop * m // n), 1))
        for part, n, m in zip(box, shape, other, strict=True)
    )
    return z, y, x
