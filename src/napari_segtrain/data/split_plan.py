"""What is held out of the labelled data, as the user asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.config import (
    FractionValidation,
    HandValidation,
    NoValidation,
    ValidationConfig,
)
from napari_segtrain.data.automatic_split import find_split
from napari_segtrain.data.split import (
    Split,
    sample_name,
    split_by_samples,
    whole,
    without_overlap,
)
from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import image_stem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.label_index import LabelIndex

_AUTO_FRACTION = 0.1


def plan_split(
    pairs: Sequence[Pair],
    indices: Sequence[LabelIndex],
    config: ValidationConfig,
    rng: np.random.Generator,
) -> Split:
    """Divide the labelled data.

    Parameters
    ----------
    pairs, indices
        The items and their labelled voxels.
    config : ValidationConfig
        What the user asks for.
    rng : numpy.random.Generator
        Decides between equals.

    Raises
    ------
    DataError
        When a share is asked for and the labels are too few, or names do not occur.
    """
    if isinstance(config, NoValidation):
        return _no_validation(pairs, "validation is switched off")
    if isinstance(config, HandValidation):
        split = without_overlap(_by_hand(pairs, config), pairs)
        if not split.training:
            raise DataError(
                f"Validation by hand with {', '.join(config.names)} leaves nothing to "
                "train on: the other samples are the same parts of the same image."
            )
        return split
    fraction = _AUTO_FRACTION
    if isinstance(config, FractionValidation):
        fraction = config.fraction
    found = find_split(pairs, indices, fraction, rng)
    if found is not None:
        split = without_overlap(found, pairs)
        if split.training:
            return split
    reason = "too few labels to hold any out with every class on both sides"
    if isinstance(config, FractionValidation):
        raise DataError(
            f"A validation share of {fraction:g} is not possible: {reason}. Label more "
            "(another slice, or another image), or use --validation none."
        )
    return _no_validation(pairs, reason)


def unseen_classes(split: Split, indices: Sequence[LabelIndex]) -> list[int]:
    """Class indices that are labelled in held-out items only, so never learned."""
    trained = {region.pair for region in split.training}
    inside = np.sum([indices[number].counts for number in sorted(trained)], axis=0)
    total = np.sum([index.counts for index in indices], axis=0)
    return np.flatnonzero((total > 0) & (inside == 0)).tolist()


def _no_validation(pairs: Sequence[Pair], reason: str) -> Split:
    regions = tuple(whole(n, pair.shape) for n, pair in enumerate(pairs))
    return Split(regions, (), reason)


def _by_hand(pairs: Sequence[Pair], config: HandValidation) -> Split:
    names = {pair.sample: sample_name(pair) for pair in pairs}
    held: set[int] = set()
    for wanted in config.names:
        same = {number for number, name in names.items() if name == wanted}
        stem = image_stem(Path(wanted))
        same = same or {
            n for n, name in names.items() if image_stem(Path(name)) == stem
        }
        if not same:
            raise DataError(
                f"There is no sample {wanted} to hold out; the samples are "
                f"{', '.join(sorted(names.values()))}."
            )
        held |= same
    if len(held) == len(names):
        raise DataError(
            f"Validation by hand with {', '.join(config.names)} leaves nothing to "
            f"train on; the samples are {', '.join(sorted(names.values()))}."
        )
    return split_by_samples(pairs, held, f"{len(held)} samples chosen by hand")
