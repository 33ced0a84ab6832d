"""Files and folders opened as a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.axes import spatial_axes
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.storage import read_samples
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.io import (
    list_images,
    looks_like_slices,
    pair_files,
    read_image,
    read_labels,
    read_stack,
)

if TYPE_CHECKING:
    from napari_segtrain.config import DataConfig
    from napari_segtrain.image import Image, LabelImage


@dataclass(frozen=True)
class OpenedData:
    """A data set, and the files that found no partner."""

    dataset: Dataset
    unmatched: tuple[Path, ...] = ()


def open_dataset(config: DataConfig, *, wants_3d: bool = False) -> OpenedData:
    """Open the images and labels that a config names; nothing large is read.

    Parameters
    ----------
    config : DataConfig
        Paths, and what the files do not say.
    wants_3d : bool
        Whether volumes are asked for; a folder of slices is then refused.

    Raises
    ------
    DataError
        When a path is missing, nothing matches, or files do not fit together.
    ConfigError
        When both saved samples and files are given.
    """
    if config.snapshot is not None:
        return OpenedData(_saved(config, config.snapshot))
    if config.images is None or config.labels is None:
        raise DataError(
            "Images and labels are both needed; give them with --images and --labels."
        )
    images, labels = Path(config.images), Path(config.labels)
    if config.stack:
        image = read_stack(images, axes=config.axes, voxel_size=config.voxel_size)
        truth = read_stack(labels, labels=True)
        return OpenedData(Dataset((make_sample(image, truth),)))
    pairing = pair_files(images, labels)
    if wants_3d and looks_like_slices([image for image, _ in pairing.pairs]):
        raise DataError(
            f"3D was asked for, but {images} looks like the slices of one volume "
            f"({len(pairing.pairs)} flat files with consecutive numbers); add --stack "
            "to read them as one."
        )
    samples = tuple(
        make_sample(
            read_image(image, axes=config.axes, voxel_size=config.voxel_size),
            read_labels(truth),
        )
        for image, truth in pairing.pairs
    )
    unmatched = (*pairing.unmatched_images, *pairing.unmatched_labels)
    return OpenedData(Dataset(samples), unmatched)


def _saved(config: DataConfig, folder: Path) -> Dataset:
    given = [name for name in ("images", "labels") if getattr(config, name)]
    if given:
        raise ConfigError(
            f"Both saved samples (data.snapshot, {folder}) and {' and '.join(given)} "
            "are given; leave out the one or the other."
        )
    return read_samples(folder)


def open_images(
    path: Path, *, axes: str | None = None, stack: bool = False
) -> list[Image]:
    """Open one image, every image of a folder, or a folder as one stack.

    Raises
    ------
    DataError
        When there is none, or one cannot be read.
    """
    if stack:
        return [read_stack(path, axes=axes)]
    return [read_image(file, axes=axes) for file in list_images(path)]


def make_sample(image: Image, labels: LabelImage) -> Sample:
    """Put an image and its labels together.

    Labels of the same size take over the letters of the image's axes, since label
    files often say less than image files.
    """
    letters = "".join(axis for axis in image.axes if axis != "C")
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    wanted = tuple(sizes[axis] for axis in letters)
    if labels.axes != letters and wanted == tuple(labels.array.shape):
        n_spatial = len(spatial_axes(letters))
        size = labels.voxel_size
        size = size if size and len(size) == n_spatial else None
        labels = replace(labels, axes=letters, voxel_size=size)
    return Sample(image, labels)
