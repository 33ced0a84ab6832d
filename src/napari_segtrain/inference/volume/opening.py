"""Begin a prediction into stores, or go on with the one that is there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.axes import SPATIAL_AXES, spatial_axes
from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import OtherResultFound, OutputError
from napari_segtrain.image import Image
from napari_segtrain.inference.committee import check_committee
from napari_segtrain.inference.engines import choose_engine
from napari_segtrain.inference.fit import check_fit, chosen_recipe
from napari_segtrain.inference.protocol import Runtime, TrainedModel
from napari_segtrain.inference.rescaling import rescaling_of
from napari_segtrain.inference.volume.area import Area, checked_area, empty_blocks
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
from napari_segtrain.inference.volume.stores import MAPS, Stores, map_path
from napari_segtrain.inference.volume.work_folder import (
    WorkFolder,
    read_report,
    work_path,
    write_report,
)
from napari_segtrain.io.atomic import remove_folders, sweep_deleted
from napari_segtrain.io.formats import file_of
from napari_segtrain.io.pyramids import remove_leftovers
from napari_segtrain.networks import choose_device, choose_devices, on_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl

__all__ = ["Area", "OpenVolume", "check_order", "open_volume"]


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
    area = check_order(models, image, config, volume, area)
    opening = _Opening(models, image, path, config, volume, area)
    run = None if overwrite else opening.there(may_be_complete=may_begin)
    if run is not None:
        return run
    if not may_begin:
        raise OutputError(
            f"There is no run at {path}, as this computer sees it; give workers the "
            "same folders as the process that began it."
        )
    return opening.begin(overwrite=overwrite)


class _Opening:
    """What is asked for, and the run that answers it; see `open_volume`."""

    def __init__(
        self,
        models: Sequence[TrainedModel],
        image: Image,
        path: Path,
        config: InferenceConfig,
        volume: VolumeConfig,
        area: Area,
    ) -> None:
        self._models = tuple(models)
        self._image = image
        self._coarse = at_lower_resolution(image, volume.downsampling)
        self._path = path
        self._config = config
        self._volume = volume
        self._area = area
        self._folder = WorkFolder(work_path(path))
        self._request = describe_request(models, image, config, volume, area.describe())

    def there(self, *, may_be_complete: bool) -> OpenVolume | None:
        """Return the run that was begun, or has been completed."""
        found = _begun(self._folder, self._request)
        if found is not None:
            return _with_stores(self._opened(_on_device(found, self._config)))
        if not (may_be_complete and self._path.exists()):
            return None
        _check_complete(self._path, self._request)
        plan = plan_volume(
            self._models, self._coarse, self._config, self._volume, max_voxels=1 << 20
        )
        return _swept(self._opened(plan, is_complete=True))

    def begin(self, *, overwrite: bool) -> OpenVolume:
        """Plan a run and make its stores, unless another process has begun it."""
        _check_place(self._path, self._image, self._area)
        plan = _complete_plan(self._models, self._coarse, self._config, self._volume)
        empty = empty_blocks(plan.grid, self._image, self._volume, self._area)
        plan = replace(plan, empty=tuple(empty))
        try:
            _clear(self._opened(plan), overwrite=overwrite)
        except OtherResultFound:
            run = None if overwrite else self.there(may_be_complete=True)
            if run is None:
                raise
            return run
        manifest = {"request": self._request, "plan": dump_plan(plan)}
        if not self._folder.write_manifest(manifest):
            found = _begun(self._folder, self._request)  # another process was faster
            plan = plan if found is None else found
        return _with_stores(self._opened(plan))

    def _opened(self, plan: VolumePlan, *, is_complete: bool = False) -> OpenVolume:
        stores = Stores(
            self._path,
            self._folder.run,
            plan,
            self._coarse,
            self._models[0].spec,
            _origin(self._image, self._volume),
        )
        return OpenVolume(
            self._path,
            self._models,
            self._coarse,
            plan,
            self._volume,
            self._folder,
            stores,
            self._request,
            is_complete=is_complete,
        )


def check_order(
    models: Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    volume: VolumeConfig,
    area: Area | None,
) -> Area:
    """Raise the error that a prediction would end with, where it is known before.

    Returns
    -------
    Area
        Of `checked_area`.

    Raises
    ------
    ModelError, ConfigError, DataError
        When models, settings and image do not fit.
    """
    for model in models:
        check_fit(model, image)
    check_committee(models, config)
    chosen_recipe(models[0], config)
    area = checked_area(image, volume, area)
    coarse = at_lower_resolution(image, volume.downsampling)
    for model in models:
        rescaling_of(model, coarse, config)
    return area


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


def _check_place(path: Path, image: Image, area: Area) -> None:
    """Raise `OutputError` when a result would lie in what is read, or replace it."""
    results = [path, *(map_path(path, name) for name in MAPS)]
    masks = [] if area.mask is None else [area.mask.source]
    for source in (image.source, *masks):
        if source is None:
            continue
        read = file_of(source).resolve()
        for result in results:
            place = result.resolve()
            if place == read or place in read.parents:
                raise OutputError(
                    f"{result} is what is read, or holds it, and would be replaced; "
                    "choose another output."
                )
            if read in place.parents:
                raise OutputError(
                    f"{result} lies in {read}, which is read; choose an output outside "
                    "of it."
                )


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
    if overwrite:  # the marks first: none may be left without its store
        remove_folders([volume.folder.path, *there])


def _with_stores(volume: OpenVolume) -> OpenVolume:
    plans = list(volume.stores.first_stage().values())
    if "join" not in volume.plan.stages:  # ids are counted before their store is made
        plans.append(volume.stores.labels())
    for plan in plans:
        plan.create()
    return _swept(volume)


def _swept(volume: OpenVolume) -> OpenVolume:
    """Remove what is left of old folders whose removal was killed."""
    for path in (volume.folder.path, *volume.stores.results):
        sweep_deleted(path)
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
) -> VolumePlan:
    """Plan with the engine that is fastest here."""
    n_voxels = math.prod(image.items()[0].shape) * len(image.items())
    devices = choose_devices(config.device)
    with on_device(devices[0]):
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
    limit = min(_max_voxels(runtimes, device) for device in devices)
    return plan_volume(models, image, config, volume, max_voxels=limit)


def _max_voxels(runtimes: Sequence[Runtime], device: torch.device) -> int:
    """Voxels that all networks can be given at once on one device of several."""
    with on_device(device):
        return min(runtime.max_voxels for runtime in runtimes)
