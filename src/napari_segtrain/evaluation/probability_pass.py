"""Probability maps of a pair, counted block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS, aligned_items, may_go_on
from napari_segtrain.evaluation.probability import (
    ProbabilityScores,
    count_probabilities,
)
from napari_segtrain.evaluation.sums import sum_scores

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.image import ClassTable, Image, Item


def channels_of(
    maps: Image, classes: ClassTable, *, name: str = "the image"
) -> dict[int, int]:
    """Channel of each foreground class that has one.

    Parameters
    ----------
    maps : Image
        Its channels are matched with classes by name; without names by their order,
        when there is one for each class, or for each foreground class.
    classes : ClassTable
    name : str
        For messages.

    Raises
    ------
    DataError
        When no channel is that of a foreground class.
    """
    names = [text.strip().casefold() for text in maps.channel_names]
    rows = classes.classes
    found = {
        index: names.index(rows[index].name.strip().casefold())
        for index in classes.foreground
        if rows[index].name.strip().casefold() in names
    }
    if found:
        return found
    if maps.n_channels == len(rows):
        return {index: index for index in classes.foreground}
    if maps.n_channels == len(classes.foreground):
        return {index: at for at, index in enumerate(classes.foreground)}
    raise DataError(
        f"The probability maps of {name} have {maps.n_channels} channels"
        f"{' (' + ', '.join(maps.channel_names) + ')' if names else ''}, which do not "
        f"fit the classes {', '.join(classes.names)}; give a channel to each class, "
        "or the same names."
    )


def count_maps(
    pair: LabelPair,
    maps: Image,
    classes: ClassTable,
    control: RunControl | None = None,
) -> Generator[int, None, tuple[ProbabilityScores, ...] | None]:
    """Count the probabilities of a pair.

    Parameters
    ----------
    pair : LabelPair
    maps : Image
        Its probability maps.
    classes : ClassTable
        Of both sides, see `common_classes`.
    control : RunControl, optional
        Stop and pause.

    Yields
    ------
    int
        Voxels of each block.

    Returns
    -------
    tuple of ProbabilityScores or None
        Per class that has a map; ``None`` when it was stopped.

    Raises
    ------
    DataError
        When sizes or channels do not fit, or a value is no probability.
    """
    channels = channels_of(maps, classes, name=pair.name)
    scores: list[tuple[ProbabilityScores, ...]] = []
    sides = aligned_items(pair, classes, control)
    for item, (truth, _) in zip(_items(pair, maps), sides, strict=True):
        for box in iter_blocks(truth.shape, BLOCK_VOXELS):
            if not may_go_on(control):
                return None
            labels, values = truth.read(box), item.read(box)
            try:
                block = tuple(
                    count_probabilities(
                        classes.names[index], index, labels, values[channel]
                    )
                    for index, channel in channels.items()
                )
            except ValueError as error:
                raise DataError(
                    f"The maps of {pair.name} cannot be used: {error}; give maps of 8 "
                    "bits, or of values from 0 to 1."
                ) from error
            scores = [sum_scores([*scores, block])]
            yield labels.size
    return scores[0] if scores else ()


def _items(pair: LabelPair, maps: Image) -> list[Item]:
    """Items of the maps, of the size of the ground truth."""
    items, truth = maps.items(), pair.truth.items()
    if [item.shape for item in items] != [item.shape for item in truth]:
        raise DataError(
            f"The probability maps of {pair.name} are not of the size of its ground "
            f"truth: {maps.array.shape} ({maps.axes}) against "
            f"{pair.truth.array.shape} ({pair.truth.axes}); give those of the same "
            "image."
        )
    return items
