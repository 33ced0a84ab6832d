"""From segmentations and probability maps to objects and their measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import size_text
from napari_segtrain.config import DataConfig, SeparationConfig
from napari_segtrain.data.classes import describe_labels
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.errors import DataError
from napari_segtrain.image import Item
from napari_segtrain.objects.by_class import (
    FOREGROUND,
    ClassedObjects,
    class_masks,
    kept_objects,
    no_objects,
    separate_classes,
)
from napari_segtrain.objects.contacts import Contacts, measure_contacts
from napari_segtrain.objects.density import DensityProfile, density_profile
from napari_segtrain.objects.measurements import ObjectTable, measure_objects
from napari_segtrain.objects.summaries import summarize_classes, summarize_slices
from napari_segtrain.workflows.inputs import (
    ImageLike,
    LabelsLike,
    as_image,
    as_labels,
)
from napari_segtrain.workflows.settings import parse_data, parse_separation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.image import ClassTable, Image, LabelImage

Spacing = tuple[float, float, float]
Row = dict[str, Any]

_AXES = ("z", "y", "x")


@dataclass(frozen=True, eq=False)
class MeasuredObjects:
    """Objects of one item, and what was measured of them.

    Parameters
    ----------
    objects : ClassedObjects
    table : ObjectTable
        A row for each, in the order of ``objects.labels``.
    contacts : Contacts
        Surfaces that objects share.
    spacing : tuple of float
        Length of a voxel along Z, Y, X, in the unit of the table.
    index : mapping of str to int
        Position along item axes (T and others).
    """

    objects: ClassedObjects
    table: ObjectTable
    contacts: Contacts
    spacing: Spacing
    index: Mapping[str, int]

    @property
    def size(self) -> Spacing:
        """Size of the item along Z, Y, X, in the unit."""
        z, y, x = (
            n * s for n, s in zip(self.objects.ids.shape, self.spacing, strict=True)
        )
        return z, y, x

    @property
    def place(self) -> dict[str, int]:
        """Columns that tell the item."""
        return {axis.lower(): at for axis, at in self.index.items()}

    def _row(self, row: Row) -> Row:
        return {**self.place, **row, "unit": self.table.unit}

    def to_rows(self) -> Iterator[Row]:
        """Rows of the table, with the class of each object."""
        names = self.objects.class_names
        for name, row in zip(names, self.table.to_rows(), strict=True):
            label, rest = row.pop("label"), row
            yield self._row({"label": label, "class": name, **rest})

    def to_summary_rows(self) -> Iterator[Row]:
        """A row for each class, see `summarize_classes`."""
        rows = summarize_classes(self.table, self.objects.class_names, self.size)
        return map(self._row, rows)

    def to_slice_rows(self) -> Iterator[Row]:
        """A row for each slice and class, see `summarize_slices`; none if flat."""
        found = self.objects
        if self.table.is_flat:
            return
        for row in summarize_slices(found.ids, found.labels, found.class_names):
            yield {**self.place, **row}

    def to_contact_rows(self) -> Iterator[Row]:
        """A row for each pair of objects that touch: ids, classes and shared area."""
        classes = dict(
            zip(
                self.objects.labels.tolist(),
                self.objects.class_names.tolist(),
                strict=True,
            )
        )
        touching = self.contacts.touching()
        columns = (touching.first, touching.second, touching.areas)
        size = "length" if self.table.is_flat else "area"
        for a, b, area in zip(*(column.tolist() for column in columns), strict=True):
            row = {"label": a, "other": b, "class": classes[a]}
            yield self._row({**row, "other_class": classes[b], size: area})

    def to_class_contact_rows(self) -> Iterator[Row]:
        """A row for each pair of classes whose objects touch: pairs, shared area.

        Objects of one class that touch are a pair of it with itself.
        """
        size = "length" if self.table.is_flat else "area"
        sums: dict[tuple[str, str], list[float]] = {}
        for row in self.to_contact_rows():
            first, second = sorted((row["class"], row["other_class"]))
            sums.setdefault((first, second), []).append(row[size])
        for (first, second), areas in sorted(sums.items()):
            pair = {"class": first, "other_class": second}
            yield self._row({**pair, "n_contacts": len(areas), size: sum(areas)})

    def to_density_rows(self, slab: float) -> Iterator[Row]:
        """Densities along every axis of several voxels, one after the other."""
        for axis, n in zip(_AXES, self.objects.ids.shape, strict=True):
            if n > 1:
                yield from map(self._row, self.density(axis, slab).to_rows())

    def density(self, axis: str, slab: float) -> DensityProfile:
        """Density of the centers along an axis, see `density_profile`."""
        corner = np.array(self.spacing) / 2
        return density_profile(
            self.table.centers + corner,
            self.size,
            axis,
            slab=slab,
            unit=self.table.unit,
            is_flat=self.table.is_flat,
        )


def find_objects(
    segmentation: LabelsLike | ImageLike,
    *,
    image: ImageLike | None = None,
    probabilities: bool = False,
    channel: int | str | None = None,
    **settings: Any,
) -> list[MeasuredObjects]:
    """Make objects of a segmentation and measure them.

    Parameters
    ----------
    segmentation : array, LabelImage, Image or path
        Classes, ids of objects, or probability maps.
    image : array, Image or path, optional
        Intensities to measure.
    probabilities : bool
        Whether the segmentation is probability maps.
    channel : int or str, optional
        Number or name of the map that is meant.
    **settings
        Those of `SeparationConfig`, as ``method="distances"`` and ``min_voxels=50``;
        and those of the config's data section that say what values mean, as
        ``target="instances"`` and ``voxel_size=(0.2, 0.1, 0.1)``.

    Returns
    -------
    list of MeasuredObjects
        One for each item; an image without a time axis has one.

    Raises
    ------
    DataError
        When a file cannot be read, values cannot be understood, or the image differs
        in size.
    ConfigError
        When a setting is unknown, or its value not allowed.
    """
    config, others = parse_separation(settings)
    data = parse_data(others)
    partner = None if image is None else as_image(image, data)
    if probabilities:
        maps = as_image(cast("ImageLike", segmentation), data)
        made = objects_of_probabilities(maps, config, channel=channel, image=partner)
        return list(made)
    labels = as_labels(cast("LabelsLike", segmentation), data)
    if labels.voxel_size is None and data.voxel_size is not None:
        labels = replace(labels, voxel_size=data.voxel_size)
    return list(objects_of_labels(labels, config, data=data, image=partner))


def objects_of_labels(
    labels: LabelImage,
    config: SeparationConfig | None = None,
    *,
    data: DataConfig | None = None,
    image: Image | None = None,
) -> Iterator[MeasuredObjects]:
    """Make and measure the objects of a label image, item by item.

    Parameters
    ----------
    labels : LabelImage
        Classes, each of which is separated by itself; or ids of objects, which stay.
    config : SeparationConfig, optional
        How objects are told apart and which stay.
    data : DataConfig, optional
        What values mean, where the labels do not say.
    image : Image, optional
        Intensities to measure.

    Yields
    ------
    MeasuredObjects
        One for each item.

    Raises
    ------
    DataError
        When the image differs in size from the labels, or the values cannot be
        understood.
    """
    config = config or SeparationConfig()
    classes = describe_labels([labels], data or DataConfig())
    items = labels.items()
    partners = _partners(items, image, labels.name)
    for item, partner in zip(items, partners, strict=True):
        found = _of_labels(item, classes, config, spacing_of(labels)[0])
        yield measured(found, labels.voxel_size, item.index, image, partner)


def objects_of_probabilities(
    maps: Image,
    config: SeparationConfig | None = None,
    *,
    channel: int | str | None = None,
    image: Image | None = None,
) -> Iterator[MeasuredObjects]:
    """Make and measure objects of probability maps, item by item.

    Parameters
    ----------
    maps : Image
        uint8 (255 is 1) or floats from 0 to 1.
    config : SeparationConfig, optional
        How objects are told apart and which stay.
    channel : int or str, optional
        Number or name of the map that is meant; without it the only one, or the last
        of two.
    image : Image, optional
        Intensities to measure.

    Raises
    ------
    DataError
        When the channel does not exist or has to be chosen, the values are no
        probabilities, or the image differs in size.
    """
    config = config or SeparationConfig()
    number = _channel(maps, channel)
    name = maps.channel_names[number] if maps.channel_names else FOREGROUND
    items = maps.items()
    for item, partner in zip(items, _partners(items, image, maps.name), strict=True):
        values = item.read()[number]
        if values.dtype != np.uint8 and values.dtype.kind != "f":
            raise DataError(
                f"{maps.name} holds {values.dtype}, which are no probabilities; give "
                "maps of 8 bits, or floats from 0 to 1."
            )
        if values.dtype == np.uint8 and values.max(initial=0) == 1:
            raise DataError(
                f"{maps.name} holds 0 and 1 as 8 bits, which is a mask and no map (in "
                "which 255 is certain); take it as labels."
            )
        spacing = spacing_of(maps)[0]
        try:
            found = separate_classes({name: values}, config, spacing=spacing)
        except ValueError as error:
            raise DataError(f"{maps.name} holds no probabilities: {error}.") from error
        yield measured(found, maps.voxel_size, item.index, image, partner)


def measured(
    found: ClassedObjects,
    voxel_size: tuple[float, ...] | None,
    index: Mapping[str, int],
    image: Image | None,
    partner: Item | None,
) -> MeasuredObjects:
    """Measure the objects of an item.

    Parameters
    ----------
    found : ClassedObjects
    voxel_size : tuple of float, optional
        Micrometers.
    index : mapping of str to int
        Position of the item along its axes.
    image : Image, optional
        Has the names of the channels.
    partner : Item, optional
        Of the image.
    """
    spacing, is_known = _spacing(voxel_size)
    contacts = measure_contacts(found.ids, spacing)
    table = measure_objects(
        found.ids,
        voxel_size=spacing if is_known else None,
        channels=None if partner is None else _channels(image, partner),
        contacts=contacts,
    )
    return MeasuredObjects(found, table, contacts, spacing, index)


def spacing_of(image: Image | LabelImage) -> tuple[Spacing, bool]:
    """Length of a voxel along Z, Y, X, and whether that is in micrometers.

    A flat image is one shortest edge thick.
    """
    return _spacing(image.voxel_size)


def _spacing(size: tuple[float, ...] | None) -> tuple[Spacing, bool]:
    if size is None:
        return (1.0, 1.0, 1.0), False
    z, y, x = (min(size), *size) if len(size) == 2 else size  # noqa: PLR2004
    return (z, y, x), True


def _of_labels(
    item: Item, classes: ClassTable, config: SeparationConfig, spacing: Spacing
) -> ClassedObjects:
    if classes.is_objects:
        values = as_integers(item.read()[0])
        is_object = np.isin(classes.to_index(values), classes.foreground)
        ids = np.where(is_object, values, 0)
        name = classes.names[classes.foreground[0]] if classes.foreground else ""
        return kept_objects(ids, config, name or FOREGROUND)
    masks = class_masks(item.read()[0], classes)
    if not masks:
        return no_objects(item.shape)
    return separate_classes(masks, config, spacing=spacing)


def _partners(
    items: list[Item], image: Image | None, name: str
) -> list[Item] | list[None]:
    """Item of the image for each of the labels."""
    if image is None:
        return [None] * len(items)
    partners = image.items()
    sizes = [[part.shape for part in side] for side in (items, partners)]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"The image {image.name} has {_size_text(sizes[1])} and {name} "
            f"{_size_text(sizes[0])}; give the image that the labels belong to."
        )
    return partners


def _size_text(shapes: list[tuple[int, int, int]]) -> str:
    many = f"{len(shapes)} items of " if len(shapes) > 1 else ""
    return f"{many}{size_text(shapes[0])} voxels (Z, Y, X)"


@dataclass(frozen=True)
class _Channel:
    """A channel of an item that is read block by block."""

    item: Item
    number: int

    def __getitem__(self, box: Any) -> npt.NDArray[Any]:
        part: npt.NDArray[Any] = self.item.read(box)[self.number]
        return part


def _channels(image: Image | None, item: Item) -> dict[str, Any]:
    names = image.channel_names if image is not None else ()
    if len(set(names)) != item.n_channels:
        one = item.n_channels == 1
        names = tuple("image" if one else str(i) for i in range(item.n_channels))
    return {name: _Channel(item, number) for number, name in enumerate(names)}


def _channel(maps: Image, asked: int | str | None) -> int:
    n, names = maps.n_channels, maps.channel_names
    if asked is None and n <= 2:  # noqa: PLR2004 - background and foreground
        return n - 1
    known = ", ".join(names) or f"0 to {n - 1}"
    if asked is None:
        raise DataError(f"{maps.name} has {n} maps ({known}); say which one is meant.")
    if isinstance(asked, str) and asked in names:
        return names.index(asked)
    number = int(asked) if str(asked).isdigit() else -1
    if not 0 <= number < n:
        raise DataError(f"{maps.name} has no map '{asked}'; there are {known}.")
    return number
