"""Samples: images with their labels, and the pairs of items that they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, Item, LabelImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX, VoxelSize


@dataclass(frozen=True)
class Place:
    """Where in an image a sample lies.

    Parameters
    ----------
    image : int
        Number of the image; samples of one image have the same.
    origin : dict of str to int
        Voxel of the image at the first voxel of the sample, per axis but channels.
    labelled : dict of str to (int, int)
        Part of the image in which its labels may count, per axis but channels: first
        voxel, and the one after the last.
    """

    image: int
    origin: dict[str, int]
    labelled: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Sample:
    """An image and its ground truth, which cover the same voxels.

    Parameters
    ----------
    image, labels
        The same size in every axis but the channels.
    wholes : tuple of Item
        What each item of the image was cropped from; empty when it is not a part.
        Images that are normalized one by one are measured on it, as they are for a
        prediction.
    place : Place, optional
        Where it lies in an image that other samples may show as well.
    """

    image: Image
    labels: LabelImage
    wholes: tuple[Item, ...] = ()
    place: Place | None = None

    @property
    def name(self) -> str:
        """Name of the image."""
        return self.image.name

    @property
    def voxel_size(self) -> VoxelSize | None:
        """µm ZYX, of the image, or else of the labels; ``None`` when unknown."""
        return self.image.voxel_size or self.labels.voxel_size


@dataclass(frozen=True)
class Pair:
    """One item of a sample: what patches are read from.

    Parameters
    ----------
    sample : int
        Number of the sample.
    name : str
        Of the image, with the position of the item.
    image, labels : Item
        The voxels.
    whole : Item
        What the image was cropped from, or the image.
    place : Place, optional
        Of the sample.
    """

    sample: int
    name: str
    image: Item
    labels: Item
    whole: Item
    place: Place | None = None

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX."""
        return self.image.shape


@dataclass(frozen=True)
class Dataset:
    """All samples that train together.

    Raises
    ------
    DataError
        When there is none, image and labels differ in size, or the samples differ in
        their number of channels.
    """

    samples: tuple[Sample, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise DataError("There is no sample; give at least one image with labels.")
        counts = {sample.image.n_channels for sample in self.samples}
        if len(counts) > 1:
            raise DataError(
                f"The images differ in their number of channels: {sorted(counts)}; "
                "train on images with the same channels in the same order."
            )
        for sample in self.samples:
            _check_sample(sample)

    @property
    def n_channels(self) -> int:
        """Channels of every image."""
        return self.samples[0].image.n_channels

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Channel names of the first image that has any."""
        named = (s.image.channel_names for s in self.samples if s.image.channel_names)
        return next(named, ())

    @property
    def voxel_size(self) -> VoxelSize | None:
        """Voxel size of the first sample, µm ZYX; ``None`` when any is unknown."""
        sizes = [sample.voxel_size for sample in self.samples]
        return sizes[0] if all(size is not None for size in sizes) else None

    def pairs(self) -> tuple[Pair, ...]:
        """Items of all samples, in order."""
        pairs = []
        for number, sample in enumerate(self.samples):
            images, labels = sample.image.items(), sample.labels.items()
            wholes = sample.wholes or images
            for image, truth, whole in zip(images, labels, wholes, strict=True):
                name = sample.name + _suffix(image)
                pairs.append(Pair(number, name, image, truth, whole, sample.place))
        return tuple(pairs)


def _suffix(item: Item) -> str:
    return "".join(f" {letter}={index}" for letter, index in item.index.items())


def _check_sample(sample: Sample) -> None:
    images, labels = sample.image.items(), sample.labels.items()
    if _geometry(images) == _geometry(labels):
        return
    raise DataError(
        f"The labels {sample.labels.name} (axes {sample.labels.axes}, shape "
        f"{tuple(sample.labels.array.shape)}) do not cover the image {sample.name} "
        f"(axes {sample.image.axes}, shape {tuple(sample.image.array.shape)}); both "
        "must have the same size in every axis but the channels. If the axes were "
        "guessed wrongly, name them with --axes."
    )


def _geometry(items: Sequence[Item]) -> list[tuple[ZYX, frozenset[tuple[str, int]]]]:
    return [(item.shape, frozenset(item.index.items())) for item in items]
