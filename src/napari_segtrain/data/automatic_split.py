"""What to hold out when the user does not say: nothing of it is trained on.

From several samples whole samples are held out; from one, its last time points or a
slab at an end of an axis, with a gap beside them. Time points of one sample count as
neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.overlaps import groups_of
from napari_segtrain.data.split import (
    MAX_GAP,
    MIN_CLASS_VOXELS,
    Region,
    Split,
    sample_name,
    split_by_samples,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.label_index import LabelIndex

_MIN_SAMPLES = 4
"""Samples from which on whole samples are held out."""
_N_DRAWS = 64
_MIN_SLICES = 6
_MIN_PLANE = 96
_MAX_SHARE = 0.34
_END_PENALTY = 0.25
"""Hold out the end of an axis only when it represents the classes clearly better than
the start: labels that are made from the start on end where the unlabelled part begins,
and those nearest to it are the most useful to train on."""


def find_split(
    pairs: Sequence[Pair],
    indices: Sequence[LabelIndex],
    fraction: float,
    rng: np.random.Generator,
) -> Split | None:
    """Hold out about a share of the labels, with every class on both sides.

    Parameters
    ----------
    pairs, indices
        The items and their labelled voxels.
    fraction : float
        The share.
    rng : numpy.random.Generator
        Draws samples.

    Returns
    -------
    Split or None
        ``None`` when the labels are too few.
    """
    n_samples = len({pair.sample for pair in pairs})
    if len(set(groups_of(pairs))) >= _MIN_SAMPLES:
        split = _draw_samples(pairs, indices, fraction, rng)
        if split is not None:
            return split
    if n_samples == 1:
        split = _last_items(pairs, indices, fraction)
        if split is not None:
            return split
    return _slab(pairs, indices, fraction)


def _draw_samples(
    pairs: Sequence[Pair],
    indices: Sequence[LabelIndex],
    fraction: float,
    rng: np.random.Generator,
) -> Split | None:
    """Draw sets of samples and take the one whose class shares are nearest.

    Samples that overlap are drawn together.
    """
    samples = np.array(groups_of(pairs))
    counts = np.stack([index.counts for index in indices])
    per_sample = np.stack(
        [counts[samples == s].sum(0) for s in range(samples.max() + 1)]
    )
    n_samples = len(per_sample)
    n_held = max(1, round(fraction * n_samples))
    best: tuple[float, set[int]] | None = None
    for _ in range(_N_DRAWS):
        held = rng.choice(n_samples, n_held, replace=False)
        total = per_sample.sum(0)
        score = _badness(per_sample[held].sum(0), total, 0 * total, fraction)
        if score is not None and (best is None or score < best[0]):
            best = score, set(held.tolist())
    if best is None:
        return None
    held_samples = {
        pair.sample
        for pair, group in zip(pairs, samples.tolist(), strict=True)
        if group in best[1]
    }
    reason = f"{n_held} of {n_samples} images are held out"
    return split_by_samples(pairs, held_samples, reason)


def _badness(
    held: npt.NDArray[np.int64],
    total: npt.NDArray[np.int64],
    lost: npt.NDArray[np.int64],
    fraction: float,
) -> float | None:
    """Distance of the class shares from the fraction; `None` where a class lacks.

    The three are voxels per class: held out, in all, and in the gap.
    """
    kept = total - lost
    present = total > 0
    least = np.minimum(held, kept - held)[present]
    if not present.any() or (least < MIN_CLASS_VOXELS).any():
        return None
    if held.sum() / kept.sum() > _MAX_SHARE:
        return None
    shares = held[present] / kept[present]
    return float(np.abs(np.log(shares / fraction)).mean())


def _last_items(
    pairs: Sequence[Pair], indices: Sequence[LabelIndex], fraction: float
) -> Split | None:
    """Hold out the last (or first) time points, and drop the one beside them."""
    positions = np.array([_position(pair) for pair in pairs])
    n_points = int(positions.max()) + 1
    if n_points < _MIN_SLICES:
        return None
    n_held = max(1, round(fraction * n_points))
    counts = np.stack([index.counts for index in indices])
    total = counts.sum(0)
    options = []
    for first, stop, gap in (
        (n_points - n_held, n_points, n_points - n_held - 1),
        (0, n_held, n_held),
    ):
        is_held = (positions >= first) & (positions < stop)
        is_gap = positions == gap
        lost = counts[is_gap].sum(0)
        score = _badness(counts[is_held].sum(0), total, lost, fraction)
        if score is not None:
            options.append((score, is_held, is_gap))
    if not options:
        return None
    _, is_held, is_gap = min(options, key=lambda option: option[0])
    regions = [whole(number, pair.shape) for number, pair in enumerate(pairs)]
    return Split(
        tuple(r for r in regions if not is_held[r.pair] and not is_gap[r.pair]),
        tuple(r for r in regions if is_held[r.pair]),
        f"{n_held} of {n_points} time points are held out",
    )


def _position(pair: Pair) -> int:
    """Index of an item on its time axis, or on its first item axis."""
    index = pair.image.index
    return index.get("T", next(iter(index.values()), 0))


@dataclass(frozen=True)
class _Cut:
    """A slab at one end of an axis: voxels held out, and voxels of the gap."""

    axis: int
    at_end: bool
    size: int
    gap: int

    def boxes(self, shape: ZYX) -> tuple[tuple[ZYX, ZYX], tuple[ZYX, ZYX]]:
        """Start and stop of the training and of the validation region."""
        length = shape[self.axis]
        edges = (0, length - self.size - self.gap, length - self.size, length)
        train, held = (edges[0], edges[1]), (edges[2], edges[3])
        if not self.at_end:
            train, held = (self.size + self.gap, length), (0, self.size)
        return self._span(shape, train), self._span(shape, held)

    def _span(self, shape: ZYX, part: tuple[int, int]) -> tuple[ZYX, ZYX]:
        start, stop = [0, 0, 0], list(shape)
        start[self.axis], stop[self.axis] = part
        return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


def _slab(
    pairs: Sequence[Pair], indices: Sequence[LabelIndex], fraction: float
) -> Split | None:
    """Cut the same slab from every item of the sample with most labels.

    Samples that overlap it are not counted: it is not known what is left of them.
    """
    samples = np.array([pair.sample for pair in pairs])
    counts = np.stack([index.counts for index in indices])
    main = int(np.argmax(np.bincount(samples, counts.sum(1))))
    same = np.flatnonzero(samples == main).tolist()
    marginals = [
        np.sum([indices[n].marginals[axis] for n in same], axis=0) for axis in range(3)
    ]
    groups = np.array(groups_of(pairs))
    is_apart = (groups != groups[same[0]]) | (samples == main)
    total = counts[is_apart].sum(0)
    share = fraction * total.sum() / max(1, marginals[0].sum())
    options = []
    for cut in _cuts(pairs[same[0]].shape, marginals, min(share, 0.5)):
        held, lost = _held(marginals[cut.axis], cut)
        score = _badness(held, total, lost, fraction)
        if score is not None:
            options.append((cut.axis > 0, score + _END_PENALTY * cut.at_end, cut))
    if not options:
        return None
    _, _, cut = min(options, key=lambda option: option[:2])
    return _cut_regions(pairs, same, cut)


def _cut_regions(pairs: Sequence[Pair], same: Sequence[int], cut: _Cut) -> Split:
    training, validation = [], []
    for number, pair in enumerate(pairs):
        if number not in same:
            training.append(whole(number, pair.shape))
            continue
        kept, held = cut.boxes(pair.shape)
        training.append(Region(number, *kept))
        validation.append(Region(number, *held))
    where = "last" if cut.at_end else "first"
    unit = "slices" if cut.axis == 0 else f"voxels along {'ZYX'[cut.axis]}"
    name = sample_name(pairs[same[0]])
    reason = f"the {where} {cut.size} {unit} of {name} are held out"
    return Split(tuple(training), tuple(validation), reason)


def _cuts(
    shape: ZYX, marginals: Sequence[npt.NDArray[np.int64]], share: float
) -> list[_Cut]:
    cuts = []
    for axis, length in enumerate(shape):
        if length < (_MIN_SLICES if axis == 0 else _MIN_PLANE):
            continue
        gap = min(MAX_GAP, max(1, length // 20))
        along = marginals[axis].sum(axis=0)
        for at_end in (True, False):
            size = _size_of_share(along[::-1] if at_end else along, share)
            if 0 < size < length - gap - 1:
                cuts.append(_Cut(axis, at_end, size, gap))
    return cuts


def _size_of_share(along: npt.NDArray[np.int64], share: float) -> int:
    """Length from the start of ``along`` that holds ``share`` of the labels."""
    summed = np.cumsum(along)
    return int(np.searchsorted(summed, share * summed[-1])) + 1


def _held(
    marginal: npt.NDArray[np.int64], cut: _Cut
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Voxels per class in the slab, and in the gap."""
    ordered = marginal[:, ::-1] if cut.at_end else marginal
    held = ordered[:, : cut.size].sum(axis=1)
    lost = ordered[:, cut.size : cut.size + cut.gap].sum(axis=1)
    return held, lost
