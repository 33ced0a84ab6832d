"""What a training set is: measured once, before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import ZYX, VoxelSize
from napari_segtrain.config import KFoldValidation
from napari_segtrain.data.classes import known_unlabelled, propose_classes
from napari_segtrain.data.folds import plan_folds
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.label_facts import LabelFacts, inspect_labels
from napari_segtrain.data.label_index import LabelIndex, index_labels
from napari_segtrain.data.normalize import Normalization, plan_normalization
from napari_segtrain.data.object_recipe import object_sizes, plan_ring
from napari_segtrain.data.seen_intensities import SeenIntensities, see_intensities
from napari_segtrain.data.split import Split
from napari_segtrain.data.split_plan import plan_split, unseen_classes
from napari_segtrain.data.tables import check_agreement, merge_tables, settle
from napari_segtrain.data.targets import TargetItem, used_slices
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.io import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_segtrain.config import DataConfig, ExperimentConfig
    from napari_segtrain.data.dataset import Dataset, Pair


_MIN_PAIRS = 0.2
"""Labelled pairs along z, relative to those in the plane, that can be judged by."""


@dataclass(frozen=True)
class DatasetFacts:
    """Measured properties of a training set; everything can be written as JSON.

    Parameters
    ----------
    names : tuple of str
        One per item.
    shapes : tuple of ZYX
        Size of each item, voxels.
    used : tuple of tuple of bool
        For each item and slice along Z, whether its voxels count.
    n_channels : int
        Channels of every image.
    channel_names : tuple of str
        May be empty.
    voxel_size : tuple of float, optional
        µm ZYX; ``None`` when unknown.
    classes : ClassTable
        Meaning and number of the label values.
    class_voxels : tuple of int
        Labelled voxels per class, background included.
    normalization : Normalization
        Rule for intensities.
    intensities : tuple of IntensityMap
        Map of each item.
    split : Split
        Training and validation regions.
    fingerprints : dict of str to str
        Of the files that the images and labels came from.
    absent : tuple of ClassInfo
        Rows of class tables whose values do not occur, so that they are not trained.
    disagreements : tuple of str
        Sentences about class tables that call a value by different names.
    voxel_sizes : tuple of (str, tuple of float or None)
        Name and voxel size of each sample, µm ZYX.
    n_covered : int, optional
        Voxels of used slices that the labels cover; all of them when it is absent.
    change_ratio : float, optional
        How many times as often classes change from slice to slice as from pixel to
        pixel; ``None`` when few labels lie beside each other in neighboring slices.
    continuity : float, optional
        Share of the voxels of a class that are of it in the next slice, too, of the
        class that is not background with the greatest; ``None`` when no labels lie
        beside each other in neighboring slices.
    level : str
        Level of the multiscale images, of the first that has one; may be empty.
    folds : tuple of Split
        All splits of a cross-validation, of which ``split`` is one.
    object_voxels : tuple of int
        Of labels that number objects: size that 5, 50 and 95 % of them do not exceed.
    ring : ZYX
        Where objects are all that is labelled: voxels around each that are background.
    seen : SeenIntensities, optional
        Normalized intensities of the used slices; absent in the plans of old runs.
    """

    names: tuple[str, ...]
    shapes: tuple[ZYX, ...]
    used: tuple[tuple[bool, ...], ...]
    n_channels: int
    channel_names: tuple[str, ...]
    voxel_size: VoxelSize | None
    classes: ClassTable
    class_voxels: tuple[int, ...]
    normalization: Normalization
    intensities: tuple[IntensityMap, ...]
    split: Split
    fingerprints: dict[str, str]
    absent: tuple[ClassInfo, ...] = ()
    disagreements: tuple[str, ...] = ()
    voxel_sizes: tuple[tuple[str, VoxelSize | None], ...] = ()
    level: str = ""
    n_covered: int | None = None
    folds: tuple[Split, ...] = ()
    change_ratio: float | None = None
    continuity: float | None = None
    object_voxels: tuple[int, ...] = ()
    ring: ZYX = (0, 0, 0)
    seen: SeenIntensities | None = None

    @property
    def n_slices(self) -> int:
        """Slices along Z of all items."""
        return sum(len(used) for used in self.used)

    @property
    def n_used_slices(self) -> int:
        """Slices whose voxels count."""
        return sum(sum(used) for used in self.used)


def gather_facts(dataset: Dataset, config: ExperimentConfig) -> DatasetFacts:
    """Read labels once, sample intensities, and divide the data.

    Raises
    ------
    DataError
        When the labels are empty, hold one class or values that are no integers, their
        class tables contradict each other, a class is labelled in held-out samples
        only, the images are constant, or a sampled voxel is NaN or infinite.
    """
    pairs = dataset.pairs()
    known, differences = known_table(dataset, config.data)
    hidden = known_unlabelled(config.data, known)
    label_facts = [
        inspect_labels(
            pair.labels,
            image=pair.sample,
            name=f"the labels of {pair.name}",
            unlabelled=hidden,
        )
        for pair in pairs
    ]
    classes = propose_classes(label_facts, config.data, known)
    used = tuple(used_slices(fact.painted, classes) for fact in label_facts)
    voxel_size = config.data.voxel_size or dataset.voxel_size
    ring = plan_ring(config.objects, classes, voxel_size)
    indices = index_pairs(pairs, classes, used, config.training.seed, ring=ring)
    used = tuple(index.labelled_slices for index in indices)
    rng = np.random.default_rng([config.training.seed, 1])
    folds: tuple[Split, ...] = ()
    if isinstance(config.validation, KFoldValidation):
        folds = plan_folds(pairs, indices, config.validation.k, rng)
    split = folds[0] if folds else plan_split(pairs, indices, config.validation, rng)
    if not folds:
        _check_seen(classes, split, indices)
    images = [pair.image for pair in pairs]
    names = tuple(pair.name for pair in pairs)
    wholes = [pair.whole for pair in pairs]
    normalization, intensities = plan_normalization(
        images, config.normalization, names, used, wholes=wholes
    )
    return DatasetFacts(
        names=names,
        shapes=tuple(pair.shape for pair in pairs),
        used=used,
        n_channels=dataset.n_channels,
        channel_names=dataset.channel_names,
        voxel_size=voxel_size,
        classes=classes,
        class_voxels=tuple(np.sum([i.counts for i in indices], axis=0).tolist()),
        normalization=normalization,
        intensities=intensities,
        split=split,
        fingerprints=_fingerprints(dataset),
        absent=_absent(known, label_facts),
        disagreements=tuple(differences),
        voxel_sizes=tuple((s.name, s.voxel_size) for s in dataset.samples),
        level=next((s.image.level for s in dataset.samples if s.image.level), ""),
        n_covered=_n_covered(label_facts, used),
        change_ratio=_change_ratio(indices),
        folds=folds,
        continuity=_continuity(indices, classes.foreground),
        object_voxels=object_sizes(label_facts, classes),
        ring=ring,
        seen=see_intensities(normalization, images, used, intensities),
    )


def _check_seen(
    classes: ClassTable, split: Split, indices: Sequence[LabelIndex]
) -> None:
    unseen = [f"'{classes.names[index]}'" for index in unseen_classes(split, indices)]
    if unseen:
        raise DataError(
            f"Labels of {', '.join(unseen)} are only in what is held out, so the "
            "network would never see them; hold out other samples (validation), or "
            "label them in another sample as well."
        )


def known_table(
    dataset: Dataset, config: DataConfig
) -> tuple[ClassTable | None, list[str]]:
    """Class table that came with the labels, and where their tables differ in names.

    Raises
    ------
    DataError
        When two tables differ in what a value counts as, and the config does not say.
    """
    named = [(s.name, s.labels.classes) for s in dataset.samples if s.labels.classes]
    tables = [settle(table, config) for _, table in named]
    differences = check_agreement(tables, [name for name, _ in named])
    return merge_tables(tables), differences


def _absent(
    known: ClassTable | None, facts: Sequence[LabelFacts]
) -> tuple[ClassInfo, ...]:
    present = {value for fact in facts for value in fact.counts}
    rows = known.rows if known and not known.is_objects else ()
    return tuple(
        row for row in rows if row.role == "class" and row.value not in present
    )


def _n_covered(facts: Sequence[LabelFacts], used: Sequence[tuple[bool, ...]]) -> int:
    return sum(
        n
        for fact, slices in zip(facts, used, strict=True)
        for n, is_used in zip(fact.n_covered, slices, strict=True)
        if is_used
    )


def _change_ratio(indices: Sequence[LabelIndex]) -> float | None:
    """Changes of class along z per pair of voxels, relative to those in the plane.

    The surface of things that look the same from all sides is crossed as often along
    each axis, so this grows with the length of a voxel in z, known or not.
    """
    changed, seen = np.sum([index.changes for index in indices], axis=0)
    if not changed[1:].any() or seen[0] < _MIN_PAIRS * seen[1:].mean():
        return None
    along_z, *in_plane = changed / seen
    return float(along_z / np.mean(in_plane))


def _continuity(
    indices: Sequence[LabelIndex], foreground: Sequence[int]
) -> float | None:
    """Greatest overlap (Dice) of a class with itself in the next slice."""
    same, both = np.sum([index.recurrence for index in indices], axis=0)
    shares = [float(same[c] / both[c]) for c in foreground if both[c]]
    return max(shares, default=None)


def targets_of(
    pairs: Sequence[Pair],
    classes: ClassTable,
    used: Sequence[tuple[bool, ...]],
    *,
    ring: ZYX = (0, 0, 0),
) -> list[TargetItem]:
    """Class indices of each pair's labels."""
    return [
        TargetItem(pair.labels, classes, slices, ring)
        for pair, slices in zip(pairs, used, strict=True)
    ]


def index_pairs(
    pairs: Sequence[Pair],
    classes: ClassTable,
    used: Sequence[tuple[bool, ...]],
    seed: int,
    *,
    ring: ZYX = (0, 0, 0),
) -> list[LabelIndex]:
    """Find the labelled voxels of each pair; the same seed finds the same."""
    return [
        index_labels(target, np.random.default_rng([seed, 2, number]))
        for number, target in enumerate(targets_of(pairs, classes, used, ring=ring))
    ]


def _fingerprints(dataset: Dataset) -> dict[str, str]:
    files: list[Path] = []
    for sample in dataset.samples:
        files += [s for s in (sample.image.source, sample.labels.source) if s]
    return {str(path): fingerprint(path) for path in dict.fromkeys(files)}
