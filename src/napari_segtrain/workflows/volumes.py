"""Images that are larger than memory: predicted block by block into stores."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segtrain.config import InferenceConfig, VolumeConfig
from napari_segtrain.data.box_regions import Region
from napari_segtrain.data.files import open_images
from napari_segtrain.errors import ConfigError, DataError, OutputError
from napari_segtrain.inference.volume.on_dask import Cluster, iter_on_dask
from napari_segtrain.inference.volume.opening import Area, OpenVolume, open_volume
from napari_segtrain.inference.volume.preview import VolumePreview, iter_preview
from napari_segtrain.inference.volume.run import VolumeResult, iter_volume_prediction
from napari_segtrain.inference.volume.work_folder import (
    WorkFolder,
    read_report,
    work_path,
)
from napari_segtrain.io import read_labels
from napari_segtrain.models import Model
from napari_segtrain.workflows.inputs import (
    ImageLike,
    LabelsLike,
    as_image,
    as_labels,
    as_list,
)
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.running import Listener, run
from napari_segtrain.workflows.settings import parse_data, parse_inference, parse_volume

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.image import Image
    from napari_segtrain.inference.volume.request import Request

SUFFIX = ".ome.zarr"


@dataclass(frozen=True)
class VolumeOrder:
    """A prediction by paths, which another process can open as well.

    Parameters
    ----------
    models : tuple of Path
        Run folders, models or checkpoints.
    image : Path
        File, store or, with ``stack``, folder of slices.
    output : Path
        Store to make.
    config, volume
        Settings.
    axes : str, optional
        Letters of an image that does not say.
    stack : bool
        Read a folder as one volume.
    region : Region, optional
        Voxels that are wanted.
    mask : Path, optional
        Label image; blocks where it is 0 are left empty.
    """

    models: tuple[Path, ...]
    image: Path
    output: Path
    config: InferenceConfig
    volume: VolumeConfig
    axes: str | None = None
    stack: bool = False
    region: Region | None = None
    mask: Path | None = None

    def open(self, *, overwrite: bool = False, may_begin: bool = True) -> OpenVolume:
        """Open models, image and stores; see `open_volume`."""
        return open_volume(
            [load_model(path) for path in self.models],
            self.open_image(),
            self.output,
            self.config,
            self.volume,
            area=self.open_area(),
            overwrite=overwrite,
            may_begin=may_begin,
        )

    def open_image(self) -> Image:
        """Open the image.

        Raises
        ------
        DataError
            When there are several.
        """
        images = open_images(self.image, axes=self.axes, stack=self.stack)
        if len(images) != 1:
            raise DataError(
                f"{self.image} holds {len(images)} images; give one, or --stack for a "
                "folder of slices."
            )
        return images[0]

    def open_area(self) -> Area:
        """Open the mask, if there is one; see `Area`."""
        mask = None if self.mask is None else read_labels(self.mask)
        return Area(self.region, mask)

    def absolute(self) -> VolumeOrder:
        """The same for processes with other working folders."""
        return replace(
            self,
            models=tuple(path.absolute() for path in self.models),
            image=self.image.absolute(),
            output=self.output.absolute(),
            mask=None if self.mask is None else self.mask.absolute(),
        )


def iter_order(
    order: VolumeOrder,
    *,
    part: tuple[int, int] = (1, 1),
    cluster: Cluster | None = None,
    overwrite: bool = False,
    control: RunControl | None = None,
) -> Generator[Event, None, VolumeResult]:
    """Predict an order, here or on a cluster; see `iter_volume_prediction`.

    Raises
    ------
    ConfigError
        When a part is asked for that is none.
    """
    check_part(part)
    volume = order.open(overwrite=overwrite)
    if cluster is None:
        return (yield from iter_volume_prediction(volume, part=part, control=control))
    opener = functools.partial(VolumeOrder.open, order.absolute(), may_begin=False)
    return (yield from iter_on_dask(volume, opener, cluster, control=control))


def begun_with(store: Path) -> Request | None:
    """What the run of a store, complete or not, was asked for; ``None`` without one.

    Raises
    ------
    OutputError
        When there is something else, or a run that cannot be read.
    """
    manifest = WorkFolder(work_path(store)).read_manifest()
    if manifest is not None:
        return dict(manifest["request"])
    report = read_report(store)
    if report is None and store.exists():
        raise OutputError(
            f"{store} exists already and is no result of this program; choose another "
            "name."
        )
    return report


def check_part(part: tuple[int, int]) -> None:
    """Raise `ConfigError` unless it is part i of n."""
    number, n_parts = part
    if not 1 <= number <= n_parts:
        raise ConfigError(
            f"There is no part {number} of {n_parts}; choose from 1/{n_parts} to "
            f"{n_parts}/{n_parts}."
        )


def predict_volume(  # noqa: PLR0913 - for scripts
    model: Model | str | Path | Sequence[Model | str | Path],
    image: ImageLike,
    output: str | Path,
    *,
    axes: str | None = None,
    region: Region | None = None,
    mask: LabelsLike | None = None,
    part: tuple[int, int] = (1, 1),
    overwrite: bool = False,
    control: RunControl | None = None,
    on_event: Listener | None = None,
    **settings: Any,
) -> VolumeResult:
    """Segment an image of any size into an OME-Zarr store, block by block.

    What was stopped or killed goes on where it was when it is called again, and what is
    complete stays as it is.

    Parameters
    ----------
    model : Model or path, or a sequence of these
        What to apply; see `predict`.
    image : array, Image or path
        Read box by box; an array of Dask, Zarr or the like stays where it is.
    output : str or Path
        Store to make, best ending in ``.ome.zarr``; stores of maps come into folders
        beside it.
    axes : str, optional
        Letters of an array or file that does not say.
    region : tuple of three slices, optional
        ZYX voxels; blocks outside are left empty. Slices may be open, and two do for a
        flat image.
    mask : array, LabelImage or path, optional
        Blocks in which it is 0 are left empty; at the resolution of the image or lower.
    part : (int, int)
        This call does part i of n, others the rest; whichever ends last finishes.
    overwrite : bool
        Replace what is there.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.
    **settings
        Those of `InferenceConfig` and `VolumeConfig`.

    Returns
    -------
    VolumeResult

    Raises
    ------
    SegtrainError
        As of `predict`; `OutputError` when another result is there, or the disk is
        full.
    """
    check_part(part)
    config, volume = _parse_settings(settings)
    data = parse_data({"axes": axes})
    opened = open_volume(
        _load_models(model),
        as_image(image, data),
        Path(output),
        config,
        volume,
        area=Area(region, None if mask is None else as_labels(mask, data)),
        overwrite=overwrite,
    )
    return run(iter_volume_prediction(opened, part=part, control=control), on_event)


def preview_blocks(
    model: Model | str | Path | Sequence[Model | str | Path],
    image: ImageLike,
    *,
    axes: str | None = None,
    region: Region | None = None,
    mask: LabelsLike | None = None,
    control: RunControl | None = None,
    on_event: Listener | None = None,
    **settings: Any,
) -> VolumePreview:
    """Say which blocks `predict_volume` would leave empty, and why; writes nothing.

    Parameters
    ----------
    model, image, axes, region, mask, **settings
        As of `predict_volume`.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.

    Returns
    -------
    VolumePreview
        Blocks with their reasons, and the share of voxels that would be predicted.

    Raises
    ------
    SegtrainError
        As of `predict_volume`.
    """
    config, volume = _parse_settings(settings)
    data = parse_data({"axes": axes})
    work = iter_preview(
        _load_models(model),
        as_image(image, data),
        config,
        volume,
        area=Area(region, None if mask is None else as_labels(mask, data)),
        control=control,
    )
    return run(work, on_event)


def _parse_settings(settings: dict[str, Any]) -> tuple[InferenceConfig, VolumeConfig]:
    names = VolumeConfig.model_fields
    blocks = {name: value for name, value in settings.items() if name in names}
    others = {name: value for name, value in settings.items() if name not in names}
    return parse_inference(others), parse_volume(blocks)


def _load_models(model: Any) -> list[Model]:
    return [
        each if isinstance(each, Model) else load_model(each) for each in as_list(model)
    ]
