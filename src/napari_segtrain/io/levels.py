"""Stores of all resolutions, opened to be looked at: parts are read when asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import zarr

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassTable, LazyArray
from napari_segtrain.io.guard import reading
from napari_segtrain.io.ome import CLASSES_NAMESPACE, parse_classes
from napari_segtrain.io.units import to_micrometers

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class Levels:
    """An OME-Zarr 0.5 image that `create_pyramid` has made.

    Parameters
    ----------
    arrays : tuple of LazyArray
        Full resolution first. What is picked from them stays lazy until it is turned
        into an array of NumPy.
    axes : str
        Letters.
    kind : {"labels", "maps"}
        What the voxels are.
    scale, translation : tuple of float
        Of each axis: size of a voxel and place of the first one; micrometers of the
        spatial axes, where the size is known.
    has_units : bool
        Whether it is known.
    channel_names : tuple of str
        Of the axis C; may be empty.
    classes : ClassTable, optional
        Of labels.
    """

    arrays: tuple[LazyArray, ...]
    axes: str
    kind: Literal["labels", "maps"]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    has_units: bool
    channel_names: tuple[str, ...] = ()
    classes: ClassTable | None = None

    def channel(self, number: int) -> Levels:
        """One of several maps."""
        place = self.axes.index("C")
        key = (*(slice(None),) * place, number)
        kept = [n for n in range(len(self.axes)) if n != place]
        return replace(
            self,
            arrays=tuple(array[key] for array in self.arrays),
            axes=self.axes.replace("C", ""),
            scale=tuple(self.scale[n] for n in kept),
            translation=tuple(self.translation[n] for n in kept),
            channel_names=self.channel_names[number : number + 1],
        )


def open_levels(path: Path) -> Levels:
    """Open a store that this package has written.

    Raises
    ------
    DataError
        When it is none, or damaged.
    """
    with reading(path):
        attributes = dict(zarr.open_group(str(path), mode="r").attrs)
        facts: Any = attributes["ome"]
        image = facts["multiscales"][0]
        axes = "".join(axis["name"].upper() for axis in image["axes"])
        units = {axis["name"].upper(): axis.get("unit") for axis in image["axes"]}
        first, *_ = image["datasets"]
        scale, translation = first["coordinateTransformations"]
        channels = facts.get("omero", {}).get("channels", ())
        classes: Any = attributes.get(CLASSES_NAMESPACE, {})
        arrays = tuple(_open(path / entry["path"]) for entry in image["datasets"])
    known = [units[axis] for axis in axes if axis in SPATIAL_AXES]
    return Levels(
        arrays=arrays,
        axes=axes,
        kind="labels" if "image-label" in facts else "maps",
        scale=tuple(scale["scale"]),
        translation=tuple(translation["translation"]),
        has_units=all(to_micrometers(1, unit) == 1 for unit in known),
        channel_names=tuple(channel["label"] for channel in channels),
        classes=parse_classes(classes),
    )


def _open(path: Path) -> LazyArray:
    """Open an array with TensorStore, whose parts are views until they are read."""
    import tensorstore

    if not path.is_dir():
        raise DataError(f"{path} does not exist; the store is damaged.")
    kvstore = {"driver": "file", "path": f"{path}/"}
    spec = {"driver": "zarr3", "kvstore": kvstore}
    array: LazyArray = tensorstore.open(spec, read=True).result()
    return array
