"""Samples in a folder: labels and images in memory as Zarr, image files by reference.

``samples.json`` says what each is. The folder of a run holds such a folder as its
snapshot, and so does an experiment that the viewer exports.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zarr
from pydantic import TypeAdapter, ValidationError

from napari_segtrain.boxes import Box, iter_blocks
from napari_segtrain.data.dataset import Dataset, Place, Sample
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.data.voxel_samples import sample_voxels
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassTable, Image, Item, LabelImage
from napari_segtrain.io import fingerprint, read_image, read_stack
from napari_segtrain.io.atomic import write_json
from napari_segtrain.io.formats import file_of, is_store
from napari_segtrain.io.lazy import BlockArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_segtrain.axes import VoxelSize

INDEX_NAME = "samples.json"
FORMAT_VERSION = 2

Slices = tuple[bool, ...]
"""For each slice along Z, whether it is written."""

_CHUNK = 512
_MAX_BLOCK = 1 << 24
_TABLE = TypeAdapter(ClassTable)
_PLACE = TypeAdapter(Place | None)


def write_samples(
    folder: Path,
    dataset: Dataset,
    *,
    labelled: Sequence[Slices] | None = None,
    shown: Sequence[Slices] | None = None,
) -> None:
    """Write samples.

    Parameters
    ----------
    folder : Path
        Made here.
    dataset : Dataset
        Samples. An image that is a file, and is read back from it as it is, is
        referenced by path and fingerprint.
    labelled, shown : sequence of tuple of bool, optional
        For each item, the slices whose labels, and whose image voxels, are needed;
        all without it.

    Raises
    ------
    OutputError
        When the disk is full.
    """
    folder.mkdir(parents=True)
    index: list[dict[str, Any]] = []
    first = 0
    for number, sample in enumerate(dataset.samples):
        n_items = len(sample.image.items())
        items = slice(first, first + n_items)
        first += n_items
        entry = _image_entry(sample.image)
        _copy(_path(folder, "labels", number), sample.labels, _part(labelled, items))
        if entry["path"] is None:
            _copy(_path(folder, "image", number), sample.image, _part(shown, items))
        wholes = [
            _copy_voxels(folder, number, n, w) for n, w in enumerate(sample.wholes)
        ]
        labels = _labels_entry(sample.labels)
        place = None if sample.place is None else asdict(sample.place)
        index.append(
            {"image": entry, "labels": labels, "wholes": wholes, "place": place}
        )
    write_json(
        folder / INDEX_NAME, {"format_version": FORMAT_VERSION, "samples": index}
    )


def read_samples(folder: Path) -> Dataset:
    """Open samples; voxels are read when they are needed.

    Raises
    ------
    DataError
        When the folder is missing or damaged, or an image file is missing or was
        changed.
    """
    try:
        index = json.loads((folder / INDEX_NAME).read_text("utf-8"))
        _check_version(folder, index["format_version"])
        entries = enumerate(index["samples"])
        return Dataset(tuple(_sample(folder, n, entry) for n, entry in entries))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no samples ({Path(error.filename or folder).name} is "
            "missing or damaged)."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"The samples in {folder} are damaged: {error}.") from error


def reads_back(image: Image) -> bool:
    """Whether the file that an image came from gives the same image.

    An array in memory, which may have been changed, is compared in a few planes.
    """
    if image.source is None or not file_of(image.source).exists():
        return False
    try:
        found = _open(image.source, _is_stack(image.source), image.axes, image.level)
    except DataError:
        return False
    is_lazy = isinstance(image.array, BlockArray | zarr.Array)
    return _form(found) == _form(image) and (is_lazy or _look_the_same(found, image))


def _look_the_same(first: Image, second: Image) -> bool:
    """Whether a few planes of each item are equal."""
    pairs = zip(first.items(), second.items(), strict=True)
    return all(
        np.array_equal(a.read(box), b.read(box)) for a, b in pairs for box in _planes(a)
    )


def _planes(item: Item) -> Iterator[Box]:
    n_z, n_y, n_x = item.shape
    for z in sorted({0, n_z // 2, n_z - 1}):
        yield slice(z, z + 1), slice(0, n_y), slice(0, n_x)


def _form(image: Image) -> tuple[Any, ...]:
    shape = tuple(int(size) for size in image.array.shape)
    return image.axes, shape, np.dtype(image.array.dtype), image.level


def _part(slices: Sequence[Slices] | None, items: slice) -> Sequence[Slices] | None:
    return None if slices is None else slices[items]


def _path(folder: Path, kind: str, number: int) -> Path:
    return folder / f"{kind}-{number:04d}.zarr"


def _check_version(folder: Path, version: int) -> None:
    if version > FORMAT_VERSION:
        raise DataError(
            f"The samples in {folder} have format version {version}, but this release "
            f"reads up to {FORMAT_VERSION}; update napari-segtrain."
        )


def _image_entry(image: Image) -> dict[str, Any]:
    source = image.source if reads_back(image) else None
    return {
        "name": image.name,
        "axes": image.axes,
        "voxel_size": image.voxel_size,
        "channel_names": image.channel_names,
        "path": str(source.resolve()) if source else None,
        "fingerprint": fingerprint(source) if source else None,
        "is_stack": bool(source and _is_stack(source)),
        "level": image.level,
    }


def _labels_entry(labels: LabelImage) -> dict[str, Any]:
    table = labels.classes
    return {
        "name": labels.name,
        "axes": labels.axes,
        "voxel_size": labels.voxel_size,
        "classes": _TABLE.dump_python(table, mode="json") if table else None,
    }


def _is_stack(path: Path) -> bool:
    return path.is_dir() and not is_store(path)


def _copy(path: Path, image: Image | LabelImage, used: Sequence[Slices] | None) -> None:
    """Copy the used slices of every item into a compressed Zarr array."""
    shape = tuple(int(size) for size in image.array.shape)
    is_label = isinstance(image, LabelImage)
    kind = np.dtype(image.array.dtype)
    array = zarr.create_array(
        str(path),
        shape=shape,
        dtype=np.dtype(np.int64) if is_label and kind.kind == "f" else _plain(kind),
        chunks=_chunks(image.axes, shape),
        fill_value=0,
        config={"write_empty_chunks": False},
    )
    items = image.items()
    everything = used or [(True,) * item.shape[0] for item in items]
    for item, slices in zip(items, everything, strict=True):
        _copy_item(array, image.axes, item, slices, is_label=is_label)


def _chunks(axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = zip(axes, shape, strict=True)
    return tuple(min(size, _CHUNK) if axis in "YX" else 1 for axis, size in sizes)


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that Zarr knows: no C long long, no foreign byte order."""
    return np.dtype(np.uint8 if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}")


def _copy_item(
    array: Any, axes: str, item: Item, used: Slices, *, is_label: bool
) -> None:
    for box in iter_blocks(item.shape, _MAX_BLOCK):
        if not any(used[box[0]]):
            continue
        block = item.read(box)
        block = as_integers(block) if is_label else block
        if is_label and not block.any():
            continue
        is_used = np.array(used[box[0]], bool)[:, None, None]
        block = np.where(is_used, block, np.zeros(1, block.dtype))
        spatial = dict(zip("ZYX", box, strict=True))
        whole = slice(None)
        key = tuple(item.index.get(a, spatial.get(a, whole)) for a in axes)
        kept = [axis for axis in axes if axis not in item.index]
        missing = tuple(i for i, axis in enumerate("CZYX") if axis not in kept)
        squeezed = np.squeeze(block, missing)
        order = [a for a in "CZYX" if a in kept]
        array[key] = squeezed.transpose([order.index(axis) for axis in kept])


def _copy_voxels(folder: Path, number: int, position: int, item: Item) -> str:
    """Keep what a normalization asks of the image that an item was cropped from."""
    values = sample_voxels(item)
    name = f"whole-{number:04d}-{position:04d}.zarr"
    array = values.reshape(len(values), 1, -1)
    zarr.create_array(str(folder / name), data=_storable(array))
    return name


def _storable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(array, _plain(array.dtype))


def _sample(folder: Path, number: int, entry: Mapping[str, Any]) -> Sample:
    meta = entry["labels"]
    table = meta.get("classes")
    labels = LabelImage(
        _array(_path(folder, "labels", number)),
        meta["axes"],
        _size(meta.get("voxel_size")),
        name=meta["name"],
        classes=_TABLE.validate_python(table) if table else None,
    )
    wholes = tuple(
        Item(_array(folder / name), "CYX") for name in entry.get("wholes", ())
    )
    place = _PLACE.validate_python(entry.get("place"))
    return Sample(_image(folder, number, entry["image"]), labels, wholes, place)


def _array(path: Path) -> Any:
    return zarr.open_array(str(path), mode="r")


def _size(values: Sequence[float] | None) -> VoxelSize | None:
    return tuple(values) if values else None


def _image(folder: Path, number: int, entry: Mapping[str, Any]) -> Image:
    facts: dict[str, Any] = {
        "voxel_size": _size(entry["voxel_size"]),
        "channel_names": tuple(entry["channel_names"]),
        "name": entry["name"],
    }
    if entry["path"] is None:
        return Image(_array(_path(folder, "image", number)), entry["axes"], **facts)
    path = Path(entry["path"])
    if not file_of(path).exists():
        raise DataError(
            f"The image {path}, which was trained on, is not there any more; put it "
            "back."
        )
    if fingerprint(path) != entry["fingerprint"]:
        raise DataError(
            f"The image {path} has changed since these samples were kept; start a new "
            "run, or put the old file back."
        )
    level = entry.get("level", "")
    return replace(_open(path, entry["is_stack"], entry["axes"], level), **facts)


def _open(path: Path, is_stack: bool, axes: str, level: str) -> Image:  # noqa: FBT001
    read: Callable[..., Image] = read_stack if is_stack else read_image
    image = read(path, axes=axes)
    if level and image.level != level:
        return replace(read_image(path / level, axes=axes), source=path, level=level)
    return image
