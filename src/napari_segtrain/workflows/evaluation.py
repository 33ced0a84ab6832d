"""From ground truth and segmentations to scores and overlays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.data.box_regions import Region, bounded_region
from napari_segtrain.data.classes import describe_labels
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.aligned import aligned_items
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.limits import (
    BoxRegion,
    CountedRegion,
    SharedRegion,
    limit_pair,
    mask_region,
)
from napari_segtrain.evaluation.overlay import write_overlay
from napari_segtrain.evaluation.pairs import LabelPair, common_classes
from napari_segtrain.heap import trim_heap
from napari_segtrain.image import OUTSIDE, LabelImage
from napari_segtrain.io import (
    image_stem,
    list_images,
    pair_files,
    read_image,
    read_labels,
    read_stack,
)
from napari_segtrain.io.formats import is_store
from napari_segtrain.workflows.inputs import LabelsLike, as_labels, as_list
from napari_segtrain.workflows.running import Listener, run
from napari_segtrain.workflows.settings import parse_data, parse_evaluation

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import DataConfig, EvaluationConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.events import EvaluationEvent
    from napari_segtrain.evaluation.report import EvaluationReport
    from napari_segtrain.image import ClassTable, Image


@dataclass(frozen=True)
class OpenedPairs:
    """Label images to compare, and the files that found no partner."""

    pairs: tuple[LabelPair, ...]
    unmatched: tuple[Path, ...] = ()


@dataclass(frozen=True)
class CountedArea:
    """Which part of the images counts in an evaluation.

    Parameters
    ----------
    region : tuple of slice, optional
        Voxels along Z, Y, X, or Y and X of flat images; the same of every image.
    mask : LabelImage, str or Path, optional
        Where it is not 0: one label image for all, or a folder of them with the names
        of the label images; of their size.
    """

    region: Region | None = None
    mask: LabelImage | str | Path | None = None


def evaluate(
    truth: LabelsLike | Sequence[LabelsLike],
    segmentation: LabelsLike | Sequence[LabelsLike],
    *,
    probabilities: str | Path | None = None,
    region: Region | None = None,
    mask: LabelsLike | None = None,
    control: RunControl | None = None,
    on_event: Listener | None = None,
    **settings: Any,
) -> EvaluationReport:
    """Score segmentations against ground truth.

    Parameters
    ----------
    truth, segmentation
        An array, `LabelImage` or path, or a list of them in the same order; two paths
        of folders are paired by file name.
    probabilities : str or Path, optional
        File or folder of probability maps, named as the segmentations: scores at every
        threshold, and calibration.
    region : tuple of slice, optional
        Voxels along Z, Y, X (Y and X of flat images) that count.
    mask : array, LabelImage or path, optional
        Where it is not 0 voxels count; as large as the label images.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.
    **settings
        Those of the config's data section that say what the values mean where label
        images do not: ``zero``, ``background``, ``ignore``, ``classes``, ``target``,
        ``stack``; and those of `EvaluationConfig`, as ``objects=True`` and
        ``boundaries=True``.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    DataError
        When nothing matches, sizes differ, or the values cannot be understood.
    ConfigError
        When a setting is unknown, or its value not allowed.
    """
    config, others = parse_evaluation(settings)
    data = parse_data(others)
    pairs = open_label_pairs(truth, segmentation, data).pairs
    if probabilities is not None:
        pairs = with_probabilities(pairs, probabilities)
    if mask is not None and not isinstance(mask, str | Path):
        mask = as_labels(mask, data)
    pairs = limit_pairs(pairs, CountedArea(region, mask))
    return score_pairs(pairs, config, control=control, on_event=on_event)


def with_probabilities(
    pairs: Sequence[LabelPair], maps: str | Path
) -> tuple[LabelPair, ...]:
    """Add the probability maps of a file or folder, found by name.

    Raises
    ------
    DataError
        When a pair has none.
    """
    if len(pairs) == 1 and len(list_images(maps)) == 1:
        return (replace(pairs[0], probabilities=read_image(list_images(maps)[0])),)
    files = {image_stem(file).casefold(): file for file in list_images(maps)}
    missing = [pair.name for pair in pairs if not _names(pair) & files.keys()]
    if missing:
        raise DataError(
            f"There is no probability map of {missing[0]} in {maps}; name maps as the "
            "segmentations, as predict --probabilities does."
        )
    found = [files[next(n for n in files if n in _names(pair))] for pair in pairs]
    return tuple(
        replace(pair, probabilities=read_image(file))
        for pair, file in zip(pairs, found, strict=True)
    )


def limit_pairs(pairs: Sequence[LabelPair], area: CountedArea) -> tuple[LabelPair, ...]:
    """Let only a part of each pair count; see `limit_pair`.

    Raises
    ------
    DataError
        When the region or a mask does not fit, or a pair has no mask.
    """
    regions: list[list[CountedRegion]] = [[] for _ in pairs]
    if area.region is not None:
        for found, pair in zip(regions, pairs, strict=True):
            found.append(BoxRegion(bounded_region(area.region, pair.truth)))
    if area.mask is not None:
        masks = _masks_of(pairs, area.mask)
        for found, pair, mask in zip(regions, pairs, masks, strict=True):
            found.append(mask_region(mask, pair))
    return tuple(
        limit_pair(pair, SharedRegion(tuple(found))) if found else pair
        for pair, found in zip(pairs, regions, strict=True)
    )


def _masks_of(
    pairs: Sequence[LabelPair], mask: str | Path | LabelImage
) -> list[LabelImage]:
    """Mask of each pair: the same for all, or that of its name in a folder."""
    if isinstance(mask, LabelImage):
        return [mask] * len(pairs)
    files = list_images(mask)
    if len(files) == 1:
        return [read_labels(files[0])] * len(pairs)
    named = {image_stem(file).casefold(): file for file in files}
    missing = [pair.name for pair in pairs if not _names(pair) & named.keys()]
    if missing:
        raise DataError(
            f"There is no mask of {missing[0]} in {mask}; name masks as the label "
            "images, or give a single one for all."
        )
    found = [next(n for n in named if n in _names(pair)) for pair in pairs]
    return [read_labels(named[name]) for name in found]


def _names(pair: LabelPair) -> set[str]:
    """Names that the maps of a pair may have."""
    sources = (pair.prediction.source, pair.truth.source)
    named = {image_stem(source).casefold() for source in sources if source}
    return {pair.name.casefold(), *named}


def score_pairs(
    pairs: Iterable[LabelPair],
    config: EvaluationConfig | None = None,
    *,
    control: RunControl | None = None,
    on_event: Listener | None = None,
) -> EvaluationReport:
    """Score pairs that know their classes; see `evaluate`."""
    report = run(iter_scores(pairs, config, control=control), on_event)
    trim_heap()
    return report


def iter_scores(
    pairs: Iterable[LabelPair],
    config: EvaluationConfig | None = None,
    *,
    control: RunControl | None = None,
) -> Generator[EvaluationEvent, None, EvaluationReport]:
    """Score pairs that know their classes; see `iter_evaluation`."""
    todo = list(pairs)
    classes = classes_of(todo)
    return iter_evaluation(todo, classes=classes, config=config, control=control)


def classes_of(pairs: Sequence[LabelPair]) -> ClassTable:
    """Classes of both sides of all pairs; see `common_classes`."""
    return common_classes(
        (pair.truth.classes for pair in pairs if pair.truth.classes),
        (pair.prediction.classes for pair in pairs if pair.prediction.classes),
    )


def open_label_pairs(
    truth: LabelsLike | Sequence[LabelsLike],
    segmentation: LabelsLike | Sequence[LabelsLike],
    data: DataConfig,
) -> OpenedPairs:
    """Open ground truth and segmentations and find out what their values mean.

    Parameters
    ----------
    truth, segmentation
        As in `evaluate`.
    data : DataConfig
        What the values mean, where the labels do not say.

    Raises
    ------
    DataError
        When nothing matches, or the values cannot be understood.
    """
    unmatched: tuple[Path, ...] = ()
    if not (isinstance(truth, str | Path) and isinstance(segmentation, str | Path)):
        opened = _listed_pairs(_listed(truth), _listed(segmentation), data)
    elif data.stack:
        opened = [(_read_stack(Path(truth)), _read_stack(Path(segmentation)))]
    else:
        _refuse_same(Path(truth), Path(segmentation))
        pairing = pair_files(truth, segmentation)
        opened = [(read_labels(a), read_labels(b)) for a, b in pairing.pairs]
        unmatched = (*pairing.unmatched_images, *pairing.unmatched_labels)
    pairs = _with_classes(opened, data)
    trim_heap()  # the looks at the labels leave tens of megabytes
    return OpenedPairs(pairs, unmatched)


def _refuse_same(truth: Path, segmentation: Path) -> None:
    if truth.resolve() == segmentation.resolve():
        raise DataError(
            f"The ground truth and the segmentation are both {truth}; give two "
            "different files or folders."
        )


def _listed(
    labels: LabelsLike | Sequence[LabelsLike],
) -> list[LabelsLike]:
    """One or several label images as a list; of a folder its files."""
    if isinstance(labels, str | Path):
        return list(list_images(labels))
    return as_list(labels)


def _listed_pairs(
    truth: list[LabelsLike], segmentation: list[LabelsLike], data: DataConfig
) -> list[tuple[LabelImage, LabelImage]]:
    if len(truth) != len(segmentation):
        raise DataError(
            f"There are {len(truth)} label images of ground truth but "
            f"{len(segmentation)} segmentations; give one for each."
        )
    pairs = zip(truth, segmentation, strict=True)
    return [
        (as_labels(a, data, number=number), as_labels(b, data, number=number))
        for number, (a, b) in enumerate(pairs)
    ]


def _read_stack(path: Path) -> LabelImage:
    """Open a folder of slices, or the one volume that a path or folder holds."""
    files = list_images(path)
    if path.is_dir() and not is_store(path) and len(files) > 1:
        return read_stack(path, labels=True)
    return read_labels(files[0])


def _with_classes(
    opened: Sequence[tuple[LabelImage, LabelImage]], data: DataConfig
) -> tuple[LabelPair, ...]:
    """Give every label image a class table: its own, or one found from its values."""
    truths, predictions = [a for a, _ in opened], [b for _, b in opened]
    known = next((labels.classes for labels in predictions if labels.classes), None)
    truth_table = _described(truths, data, known)
    table = known or _described(predictions, _dense(data, truth_table), truth_table)
    return tuple(
        LabelPair(
            image_stem(a.source) if a.source else a.name,
            a.with_classes(truth_table),
            b.with_classes(_shared(b.classes or table, truth_table)),
        )
        for a, b in opened
    )


def _shared(table: ClassTable, truth: ClassTable) -> ClassTable:
    """Class table of a segmentation, with classes that only the truth's table has.

    Their voxels would mean nothing otherwise, also where both sides have the value.
    """
    if table.is_objects or truth.is_objects:
        return table
    values = {value for row in table.rows for value in row.all_values}
    names = {row.name for row in table.rows}
    more = tuple(
        row
        for row in truth.rows
        if row.role == "class" and row.value not in values and row.name not in names
    )
    return replace(table, rows=(*table.rows, *more)) if more else table


def _dense(data: DataConfig, truth: ClassTable) -> DataConfig:
    """What 0 means in a segmentation: the background where it is that of the truth.

    Specks of a segmentation would look like strokes otherwise.
    """
    is_background = any(
        row.value == 0 and row.role == "background" for row in truth.rows
    )
    if data.zero == "auto" and truth.zero == "dense" and is_background:
        return data.model_copy(update={"zero": "dense"})
    return data


def _described(
    images: Sequence[LabelImage], data: DataConfig, hint: ClassTable | None
) -> ClassTable:
    """Class table of label images, with the help of that of the other side.

    Labels of another kind, strokes against dense ones say, are not helped by it.
    """
    is_known = data.classes or any(labels.classes for labels in images)
    if is_known or hint is None:
        return describe_labels(images, data)
    if hint.zero == "unlabelled" or 0 in hint.unlabelled_values:
        own = describe_labels(images, data)
        if own.zero != "unlabelled":
            return own
    return describe_labels(images, data, hint)


def write_overlays(
    folder: Path, pairs: Sequence[LabelPair], images: Mapping[Path, Image]
) -> Path:
    """Write a picture of each pair: segmentation and errors on the image.

    Of a volume the slice with most labels is shown.

    Parameters
    ----------
    folder : Path
        Made when it is missing and there is a picture.
    pairs : sequence of LabelPair
        With class tables.
    images : mapping of Path to Image
        By the path of the ground truth.

    Raises
    ------
    DataError
        When an image differs in size from its labels.
    """
    shown = _pictured(pairs, images)
    check_pictures(pairs, images)
    classes = classes_of(pairs)
    for pair, image in shown:
        _write_overlay(folder / f"{pair.name}.png", pair, image, classes)
    return folder


def check_pictures(pairs: Sequence[LabelPair], images: Mapping[Path, Image]) -> None:
    """Refuse images that differ in size from their labels; see `write_overlays`.

    Raises
    ------
    DataError
    """
    for pair, image in _pictured(pairs, images):
        _check_size(pair, image)


def _pictured(
    pairs: Sequence[LabelPair], images: Mapping[Path, Image]
) -> list[tuple[LabelPair, Image]]:
    return [
        (pair, images[pair.truth.source])
        for pair in pairs
        if pair.truth.source is not None and pair.truth.source in images
    ]


def _check_size(pair: LabelPair, image: Image) -> None:
    shapes = [part.items()[0].shape for part in (image, pair.truth)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"The image {image.name} has {shapes[0]} voxels (Z, Y, X), its ground "
            f"truth {shapes[1]}; give the images that the labels belong to."
        )


def _write_overlay(
    path: Path, pair: LabelPair, image: Image, classes: ClassTable
) -> None:
    truth, prediction = next(aligned_items(pair, classes))
    labels, boxes = pair.truth.items()[0], _slices(truth.shape)
    labelled = [_n_labelled(labels.read(box)) for box in boxes]
    box = boxes[int(np.argmax(labelled))]
    write_overlay(
        path,
        image.items()[0].read(box)[:, 0],
        truth_indices=truth.read(box)[0],
        predicted_indices=prediction.read(box)[0],
        classes=classes,
    )


def _n_labelled(values: npt.NDArray[Any]) -> int:
    return int(np.isin(values, (0, OUTSIDE), invert=True).sum())


def _slices(shape: ZYX) -> list[Box]:
    n_z, n_y, n_x = shape
    return [(slice(z, z + 1), slice(0, n_y), slice(0, n_x)) for z in range(n_z)]
