"""Prediction on the terminal: what is asked for, as jobs that were checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_segtrain.cli.batch_run import SUMMARY, Job, Summary, run_batch, run_one
from napari_segtrain.cli.file_job import FileJob, FileOptions, Slices
from napari_segtrain.cli.options import parse_region
from napari_segtrain.cli.volume_preview import show_preview
from napari_segtrain.cli.volume_run import (
    StoreJob,
    StoreOptions,
    VolumeOptions,
    check_options,
)
from napari_segtrain.config import InferenceConfig, VolumeConfig, set_value
from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.image import Image
from napari_segtrain.inference.canvas import predicted_table
from napari_segtrain.inference.committee import check_committee
from napari_segtrain.inference.fit import chosen_recipe, is_too_large
from napari_segtrain.io import (
    FoundImage,
    find_images,
    is_pattern,
    read_image,
    read_stack,
)
from napari_segtrain.io.formats import (
    PICTURE_SUFFIXES,
    TIFF_SUFFIXES,
    ZARR_SUFFIXES,
    file_of,
    is_store,
    suffix_of,
)
from napari_segtrain.models import Model
from napari_segtrain.networks import choose_device
from napari_segtrain.workflows.contents import content_names
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.records import Requests
from napari_segtrain.workflows.settings import parse_inference
from napari_segtrain.workflows.volumes import SUFFIX, VolumeOrder

Kind = Literal["auto", "tiff", "zarr", "png"]

_NOTE = "what is done is kept"


@dataclass(frozen=True)
class Reading:
    """What the image files do not say."""

    axes: str | None = None
    stack: bool = False


@dataclass(frozen=True)
class Order:
    """What is to be predicted with what, and where to.

    Parameters
    ----------
    models : sequence of Path
        Several are averaged.
    images : sequence of Path
        Files, folders, stores and patterns.
    output : Path
        Folder; or the store of a single image.
    config : InferenceConfig
        Tiles, device, maps.
    slices : (int, int), optional
        Along Z, of files.
    reading : Reading
        How images are opened.
    kind : {"auto", "tiff", "zarr", "png"}
        Files, or stores that are written block by block; auto by the size of each.
    overlays : bool
        Also write pictures for people.
    volume, blocks
        Of stores.
    overwrite : bool
        Replace what was made otherwise.
    """

    models: Sequence[Path]
    images: Sequence[Path]
    output: Path
    config: InferenceConfig
    slices: Slices = None
    reading: Reading = Reading()
    kind: Kind = "auto"
    overlays: bool = False
    volume: VolumeConfig = field(default_factory=VolumeConfig)
    blocks: VolumeOptions = field(default_factory=VolumeOptions)
    overwrite: bool = False

    @property
    def asks_for_blocks(self) -> bool:
        """Whether an option is for stores only."""
        return self.blocks.are_given or self.volume != VolumeConfig()

    @property
    def names_store(self) -> bool:
        """Whether the output is the store of one image."""
        return self.output.suffix.lower() in ZARR_SUFFIXES

    @property
    def is_batch(self) -> bool:
        """Whether more than one image may be meant; not by what happens to be there."""
        first, *others = self.images
        is_one = file_of(first).is_file() or is_store(first)
        is_stack = self.reading.stack and not is_pattern(first)
        return bool(others) or not (is_one or is_stack)


def read_config(
    probabilities: str, device: str | None, settings: Sequence[str]
) -> InferenceConfig:
    """Options and ``--set`` as a config.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    values: dict[str, Any] = {"probabilities": probabilities}
    if device is not None:
        values["device"] = device
    for assignment in settings:
        set_value(values, assignment, InferenceConfig)
    return parse_inference(values)


def start(order: Order) -> None:
    """Predict every image, into files or into stores; all are checked before the first.

    Raises
    ------
    SegtrainError
        When an option, a model, an image or an output is not as it must be; then
        nothing is written.
    typer.Exit
        When an image of several failed, or a signal came.
    """
    models = [load_model(path) for path in order.models]  # says most when all is wrong
    _check_order(order)
    check_committee(models, order.config)
    chosen_recipe(models[0], order.config)
    choose_device(order.config.device)
    images = _open_images(order)
    jobs = _plan_jobs(order, models, images)
    for job in jobs:
        job.check_input()
    _check_places(jobs, [image for _, image in images])
    if order.blocks.preview:
        show_preview([job for job in jobs if isinstance(job, StoreJob)])
        return
    names = content_names(predicted_table(models[0].spec.classes))
    is_parted = order.blocks.part is not None  # parts would replace the file of others
    has_file = not is_parted and not order.names_store
    summary = Summary(names, order.output / SUMMARY if has_file else None)
    if not order.is_batch:
        jobs[0].is_done()
        run_one(jobs[0], _NOTE)
        return
    summary.check(overwrite=order.overwrite)
    run_batch(jobs, summary, _NOTE)


def _check_order(order: Order) -> None:
    """Compare options with one another."""
    check_options(
        order.blocks,
        order.volume,
        overlays=order.overlays,
        overwrite=order.overwrite,
    )
    if order.kind in ("tiff", "png") and order.asks_for_blocks:
        raise ConfigError(
            "Regions, masks, previews, parts, workers and settings of volumes are for "
            f"stores; leave --format {order.kind} out, or these."
        )
    if order.kind in ("tiff", "png") and order.names_store:
        raise ConfigError(
            f"--output {order.output} names a store, but --format {order.kind} asks "
            "for files; change one of the two."
        )
    is_stored = order.kind == "zarr" or order.names_store or order.asks_for_blocks
    if order.slices is not None and is_stored:
        raise ConfigError(
            "--slices is for files, not for stores; give --region with the slices "
            "first, such as 10:20,0:512,0:512."
        )
    output = order.output
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; --output names a folder.")
    is_file_name = suffix_of(output) in (*TIFF_SUFFIXES, *PICTURE_SUFFIXES)
    if is_file_name and not output.is_dir():
        raise OutputError(
            f"--output {output} looks like a file; name a folder, in which results are "
            "called like their images."
        )


def _open_images(order: Order) -> list[tuple[FoundImage, Image]]:
    reading = order.reading
    read = read_stack if reading.stack else read_image
    output = None if order.names_store else order.output
    found = find_images(order.images, stack=reading.stack, output=output)
    if order.names_store and len(found) > 1:
        raise OutputError(
            f"--output {order.output} names one store, but there are {len(found)} "
            "images; name a folder."
        )
    return [(each, read(each.path, axes=reading.axes)) for each in found]


def _plan_jobs(
    order: Order, models: Sequence[Model], images: Sequence[tuple[FoundImage, Image]]
) -> list[Job]:
    requests = Requests(models, order.config, order.volume)
    files = FileOptions(
        models=models,
        config=order.config,
        requests=requests,
        slices=order.slices,
        is_png=order.kind == "png",
        overlays=order.overlays,
        overwrite=order.overwrite,
    )
    stores = StoreOptions(
        models=models,
        requests=requests,
        blocks=order.blocks,
        overlays=order.overlays,
        overwrite=order.overwrite,
        is_counted=order.is_batch,
    )
    return [
        StoreJob(image, _store_order(order, found, image), stores)
        if _becomes_store(order, image)
        else FileJob(image, order.output / found.folder, files)
        for found, image in images
    ]


def _becomes_store(order: Order, image: Image) -> bool:
    if order.kind != "auto":
        return order.kind == "zarr"
    if order.names_store or order.asks_for_blocks:
        return True
    return order.slices is None and is_too_large(image, order.config)


def _store_order(order: Order, found: FoundImage, image: Image) -> VolumeOrder:
    folder = order.output / found.folder
    return VolumeOrder(
        models=tuple(order.models),
        image=found.path,
        output=order.output if order.names_store else folder / f"{image.name}{SUFFIX}",
        config=order.config,
        volume=order.volume,
        axes=order.reading.axes,
        stack=order.reading.stack,
        region=parse_region(order.blocks.region),
        mask=order.blocks.mask,
    )


def _check_places(jobs: Sequence[Job], images: Sequence[Image]) -> None:
    """Raise `OutputError` when an output would replace an image or another output."""
    sources = {image.source.resolve(): image for image in images if image.source}
    folders = {parent for source in sources for parent in source.parents}
    makers: dict[Path, Image] = {}
    for job, image in zip(jobs, images, strict=True):
        for path in job.files:
            place = path.resolve()
            if place in sources or place in folders:
                raise OutputError(
                    f"{path} is the image itself and would be replaced; choose another "
                    "--output."
                )
            if place in makers:
                raise OutputError(
                    f"{makers[place].source} and {image.source} would both be written "
                    f"to {path}; predict them one by one, to different outputs."
                )
            makers[place] = image
    for place, image in makers.items():
        taken = next((folder for folder in place.parents if folder in makers), None)
        if taken is not None:
            raise OutputError(
                f"{taken} would be a result of {makers[taken].source}, and also a "
                f"folder of those of {image.source}; rename the image, or choose "
                "another --format."
            )
