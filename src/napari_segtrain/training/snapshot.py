"""The data that a run trains on, frozen in its folder when it starts.

Labels are always copied, compressed. An image is referenced by path and fingerprint
when it is a file; one that is only in memory is copied as well, slices that are not
used left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, Item, LabelImage, iter_blocks
from napari_segtrain.io import fingerprint, read_image, read_stack
from napari_segtrain.io.atomic import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDEX = "samples.json"
_CHUNK = 512
_MAX_BLOCK = 1 << 24


def write_snapshot(
    folder: Path, dataset: Dataset, used: Sequence[tuple[bool, ...]], margin: int
) -> None:
    """Write what a run needs of its data.

    Parameters
    ----------
    folder : Path
        Made here.
    dataset : Dataset
        Samples.
    used : sequence of tuple of bool
        For each item and slice, whether its labels count.
    margin : int
        Slices around used ones that patches may reach into.

    Raises
    ------
    OutputError
        When the disk is full.
    """
    folder.mkdir(parents=True)
    first = 0
    index: list[dict[str, Any]] = []
    for number, sample in enumerate(dataset.samples):
        items = sample.labels.items()
        slices = used[first : first + len(items)]
        first += len(items)
        _copy(folder / f"labels-{number:04d}.zarr", sample.labels, items, slices)
        entry = _image_entry(sample.image)
        if entry["path"] is None:
            wide = [_widened(part, margin) for part in slices]
            target = folder / f"image-{number:04d}.zarr"
            _copy(target, sample.image, sample.image.items(), wide)
        labels = {"name": sample.labels.name, "axes": sample.labels.axes}
        index.append({"image": entry, "labels": labels})
    write_json(folder / _INDEX, {"format_version": 1, "samples": index})


def read_snapshot(folder: Path, *, axes: str | None) -> Dataset:
    """Open the data of a run.

    Parameters
    ----------
    folder : Path
        As written by `write_snapshot`.
    axes : str, optional
        Axis letters that the user gave for the image files.

    Raises
    ------
    DataError
        When the snapshot is damaged, or an image file is missing or was changed.
    """
    try:
        index = json.loads((folder / _INDEX).read_text("utf-8"))
        entries = list(enumerate(index["samples"]))
        return Dataset(tuple(_sample(folder, n, entry, axes) for n, entry in entries))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"The snapshot {folder} is damaged: {error}.") from error


def _image_entry(image: Image) -> dict[str, Any]:
    source = image.source
    return {
        "name": image.name,
        "axes": image.axes,
        "voxel_size": image.voxel_size,
        "channel_names": image.channel_names,
        "path": str(source.resolve()) if source else None,
        "fingerprint": fingerprint(source) if source else None,
        "is_stack": bool(source and source.is_dir() and source.suffix != ".zarr"),
    }


def _widened(used: tuple[bool, ...], margin: int) -> tuple[bool, ...]:
    mask = np.array(used, bool)
    if margin and mask.any():
        mask = np.convolve(mask, np.ones(2 * margin + 1), "same") > 0
    return tuple(mask.tolist())


def _copy(
    path: Path,
    image: Image | LabelImage,
    items: Sequence[Item],
    used: Sequence[tuple[bool, ...]],
) -> None:
    """Copy the used slices of every item into a compressed Zarr array."""
    shape = tuple(int(size) for size in image.array.shape)
    is_label = isinstance(image, LabelImage)
    chunks = tuple(
        min(size, _CHUNK) if axis in "YX" else 1
        for axis, size in zip(image.axes, shape, strict=True)
    )
    kind = np.dtype(image.array.dtype)
    array = zarr.create_array(
        str(path),
        shape=shape,
        dtype=np.dtype(np.int64) if is_label and kind.kind == "f" else _plain(kind),
        chunks=chunks,
        fill_value=0,
        config={"write_empty_chunks": False},
    )
    for item, slices in zip(items, used, strict=True):
        _copy_item(array, image.axes, item, slices, is_label=is_label)


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that Zarr knows: no C long long, no foreign byte order."""
    return np.dtype(np.uint8 if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}")


def _copy_item(
    array: Any, axes: str, item: Item, used: tuple[bool, ...], *, is_label: bool
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


def _sample(
    folder: Path, number: int, entry: dict[str, Any], axes: str | None
) -> Sample:
    labels = zarr.open_array(str(folder / f"labels-{number:04d}.zarr"), mode="r")
    meta = entry["labels"]
    image = _image(folder, number, entry["image"], axes)
    return Sample(image, LabelImage(labels, meta["axes"], name=meta["name"]))


def _image(folder: Path, number: int, entry: dict[str, Any], axes: str | None) -> Image:
    size = tuple(entry["voxel_size"]) if entry["voxel_size"] else None
    if entry["path"] is None:
        array = zarr.open_array(str(folder / f"image-{number:04d}.zarr"), mode="r")
        names = tuple(entry["channel_names"])
        return Image(array, entry["axes"], size, names, name=entry["name"])
    path = Path(entry["path"])
    if not path.exists():
        raise DataError(
            f"The image {path}, which this run was trained on, is not there any more; "
            "put it back to resume the run."
        )
    if fingerprint(path) != entry["fingerprint"]:
        raise DataError(
            f"The image {path} has changed since this run started; start a new run, "
            "or put the old file back."
        )
    if entry["is_stack"]:
        return read_stack(path, axes=axes, voxel_size=size)
    return read_image(path, axes=axes, voxel_size=size)
