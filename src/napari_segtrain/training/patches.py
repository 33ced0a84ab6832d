"""Where the patches of a planned training come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.config.presets import Augmentation, complete_augmentation
from napari_segtrain.data.batches import BatchSource
from napari_segtrain.data.facts import index_pairs, targets_of
from napari_segtrain.data.object_targets import object_targets
from napari_segtrain.data.sampling import PatchReader, PatchSampler
from napari_segtrain.data.warp import is_in_plane
from napari_segtrain.training.defaults import foreground_share
from napari_segtrain.training.losses import loss_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.data.dataset import Dataset, Pair
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.data.object_targets import ObjectTargetItem
    from napari_segtrain.data.targets import TargetItem
    from napari_segtrain.training.plan import TrainingPlan


def patch_sampler(plan: TrainingPlan, pairs: Sequence[Pair]) -> PatchSampler:
    """Find the labelled voxels that patches are drawn around; reads all labels."""
    facts, config = plan.facts, plan.config
    return PatchSampler(
        facts.split.training,
        index_pairs(
            pairs, facts.classes, facts.used, config.training.seed, ring=facts.ring
        ),
        plan.patch_size,
        foreground=facts.classes.foreground,
        foreground_share=foreground_share(config.sampling, facts),
        margin=plan.info.margin,
    )


def prepared_pairs(
    plan: TrainingPlan, dataset: Dataset
) -> tuple[list[Pair], list[Intensities]]:
    """Pairs whose images are read as the network sees them, but for the intensities.

    Returns
    -------
    list of Pair, list of Intensities
        Of equal length; the second normalizes what is read of the first.
    """
    pairs, intensities = [], []
    for known, pair in zip(plan.facts.intensities, dataset.pairs(), strict=True):
        image, found = plan.facts.normalization.prepare(pair.image, known)
        pairs.append(replace(pair, image=image))
        intensities.append(found)
    return pairs, intensities


def class_targets(plan: TrainingPlan, pairs: Sequence[Pair]) -> list[TargetItem]:
    """Class indices of each pair."""
    facts = plan.facts
    return targets_of(pairs, facts.classes, facts.used, ring=facts.ring)


def patch_targets(
    plan: TrainingPlan, pairs: Sequence[Pair]
) -> Sequence[TargetItem | ObjectTargetItem]:
    """What the network learns of each pair: its classes, or the parts of objects."""
    targets = class_targets(plan, pairs)
    if plan.objects is None:
        return targets
    return object_targets(targets, plan.objects, is_2d=plan.is_2d)


def augmentation_of(plan: TrainingPlan) -> Augmentation:
    """Random changes of the patches."""
    return plan.augmentation or complete_augmentation(plan.config.augmentation)


def warps_in_plane(plan: TrainingPlan) -> bool:
    """Whether volumes are warped slice by slice."""
    return is_in_plane(plan.facts.voxel_size)


def batch_source(
    plan: TrainingPlan,
    pairs: Sequence[Pair],
    sampler: PatchSampler,
    intensities: Sequence[Intensities],
) -> BatchSource:
    """What makes the batch of any iteration."""
    config = plan.config
    reader = PatchReader(
        [pair.image for pair in pairs],
        patch_targets(plan, pairs),
        intensities,
        cache_bytes=config.sampling.cache_megabytes << 20,
        context=loss_context(config.loss, is_2d=plan.is_2d),
    )
    return BatchSource(
        sampler,
        reader,
        augmentation_of(plan),
        batch_size=plan.batch_size,
        is_2d=plan.is_2d,
        seed=config.training.seed,
        in_plane=warps_in_plane(plan),
    )
