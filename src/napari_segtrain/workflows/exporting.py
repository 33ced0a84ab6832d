"""An experiment as a file that the command line repeats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.config import DataConfig, ExperimentConfig, annotated_yaml
from napari_segtrain.data.files import open_dataset
from napari_segtrain.data.storage import INDEX_NAME, reads_back, write_samples
from napari_segtrain.errors import OutputError, SegtrainError
from napari_segtrain.io import write_text
from napari_segtrain.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.data.dataset import Dataset, Sample
    from napari_segtrain.image import Image, LabelImage

_SUFFIX = ".yaml"


def export_experiment(dataset: Dataset, config: ExperimentConfig, path: Path) -> Path:
    """Write an experiment so that ``segtrain train --config`` repeats it.

    Where images and labels are files, the config names them. Otherwise the samples
    are saved beside it, in a folder ``<stem>-data``: labels with their class tables,
    and images that are no files. The same seed then gives the same model.

    Parameters
    ----------
    dataset : Dataset
        Samples.
    config : ExperimentConfig
        Settings.
    path : Path
        YAML file to write or replace; the suffix is added when it is missing.

    Returns
    -------
    Path
        The YAML file.

    Raises
    ------
    OutputError
        When the files cannot be written, or ``<stem>-data`` holds something else.
    """
    target = path if path.suffix == _SUFFIX else path.with_name(path.name + _SUFFIX)
    data = _data_of_files(dataset, config.data)
    if data is None:
        folder = target.with_name(f"{target.stem}-data")
        _save(folder, dataset)
        none = {"images": None, "labels": None, "stack": False}
        data = config.data.model_copy(update={**none, "snapshot": Path(folder.name)})
    write_text(target, annotated_yaml(config.model_copy(update={"data": data})))
    return target


def _save(folder: Path, dataset: Dataset) -> None:
    is_foreign = folder.exists() and not (folder / INDEX_NAME).exists()
    if is_foreign and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(
            f"{folder}, where the samples of the experiment belong, holds something "
            "else; choose another name."
        )
    with atomic_path(folder) as temporary:
        write_samples(temporary, dataset)


def _data_of_files(dataset: Dataset, config: DataConfig) -> DataConfig | None:
    """Settings that open the same samples from their files; `None` without any."""
    for changes in _candidates(dataset):
        values = {"snapshot": None, "axes": None, **changes}
        candidate = config.model_copy(update=values)
        try:
            opened = open_dataset(candidate)
        except SegtrainError:
            continue
        if not opened.unmatched and _are_same(opened.dataset, dataset):
            return candidate
    return None


def _candidates(dataset: Dataset) -> Iterator[dict[str, Any]]:
    first = dataset.samples[0]
    sources = [(s.image.source, s.labels.source) for s in dataset.samples]
    paths = [(a.absolute(), b.absolute()) for a, b in sources if a and b]
    if len(paths) < len(sources) or any(sample.wholes for sample in dataset.samples):
        return
    images, labels = paths[0]
    if len(paths) > 1:
        images, labels = images.parent, labels.parent
    axes = {"images": images, "labels": labels, "axes": first.image.axes}
    for is_stack in (False, True):
        yield {"images": images, "labels": labels, "stack": is_stack}
        yield {**axes, "stack": is_stack}


def _are_same(first: Dataset, second: Dataset) -> bool:
    if len(first.samples) != len(second.samples):
        return False
    pairs = zip(first.samples, second.samples, strict=True)
    return all(_is_same_sample(a, b) for a, b in pairs)


def _is_same_sample(first: Sample, second: Sample) -> bool:
    return (
        _form(first.image) == _form(second.image)
        and _form(first.labels) == _form(second.labels)
        and first.image.channel_names == second.image.channel_names
        and first.labels.classes == second.labels.classes
        and reads_back(second.image)
        and _hold_the_same(first.labels, second.labels)
    )


def _form(image: Image | LabelImage) -> tuple[Any, ...]:
    shape = tuple(int(size) for size in image.array.shape)
    kind = np.dtype(image.array.dtype).newbyteorder("=")
    return image.name, image.axes, shape, kind, image.voxel_size, image.level


def _hold_the_same(first: LabelImage, second: LabelImage) -> bool:
    pairs = zip(first.items(), second.items(), strict=True)
    return all(
        np.array_equal(a.read(box), b.read(box))
        for a, b in pairs
        for box in iter_blocks(a.shape)
    )
