"""Settings that a plan cannot take as they are, so that none is silently ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.axes import size_text
from napari_segtrain.config.network import VOLUMES
from napari_segtrain.config.presets import ineffective_settings
from napari_segtrain.data.warp import is_in_plane
from napari_segtrain.errors import ConfigError
from napari_segtrain.training.defaults import LEARNING_RATES
from napari_segtrain.training.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import (
        ExperimentConfig,
        FixedSolverConfig,
        TrainingConfig,
    )
    from napari_segtrain.data.facts import DatasetFacts
    from napari_segtrain.networks import NetworkInfo


_MOST_REFLECTED = 2
"""How much larger than the image the smallest input of a network may be."""
_FAR = 10.0
"""Factor between a rate and the usual one that is worth a warning."""
_SMALL = 64
"""Voxels to which an image is reflected, however small it is."""


def setting_findings(
    config: ExperimentConfig,
    facts: DatasetFacts,
    info: NetworkInfo,
    *,
    patch: ZYX,
    batch: int,
) -> list[Finding]:
    """Say which settings are taken otherwise than given, or have no effect.

    Parameters
    ----------
    config : ExperimentConfig
        As a person gave it.
    facts : DatasetFacts
        Voxel size.
    info : NetworkInfo
        What the network takes.
    patch : ZYX
        Planned patch, voxels.
    batch : int
        Planned patches per iteration.

    Raises
    ------
    ConfigError
        When levels of a network for slices are to work in the plane only, or the
        network sees much more than there is of any image.
    """
    _check_flat_levels(config, info)
    return [
        *_fit_findings(facts, info),
        *_size_findings(config, patch, batch),
        *_augmentation_findings(config, facts, patch),
    ]


def rate_findings(
    training: TrainingConfig, solver: FixedSolverConfig
) -> Iterator[Finding]:
    """Whether a rate that was given is far from the usual one of its solver."""
    rate, usual = training.learning_rate, LEARNING_RATES[solver.kind]
    if rate == "auto" or 1 / _FAR <= rate / usual <= _FAR:
        return
    is_chosen = training.solver.kind != "auto"
    taken = "" if is_chosen else ", for which a rate without a solver is meant"
    yield Finding(
        "warning",
        f"A learning rate of {rate:g} is far from {usual:g}, the usual one of "
        f"{solver.kind}{taken}.",
        "Leave training.learning_rate at auto, or set training.solver to the one that "
        "this rate is for.",
        "training.learning_rate",
    )


def _check_flat_levels(config: ExperimentConfig, info: NetworkInfo) -> None:
    levels = getattr(config.network, "flat_levels", "auto")
    if levels not in {"auto", 0} and info.dims != VOLUMES:
        raise ConfigError(
            f"network.flat_levels is {levels}, but the network sees one slice at a "
            "time, where every level works in the plane; set network.flat_levels to "
            "auto, or network.dims to 3."
        )


def _fit_findings(facts: DatasetFacts, info: NetworkInfo) -> Iterator[Finding]:
    """Compare the smallest input of the network, but its margin, with the images."""
    sizes = [max(axis) for axis in zip(*facts.shapes, strict=True)]
    inner = zip(info.min_size, info.margin, strict=True)
    pairs = list(zip(sizes, (n - 2 * margin for n, margin in inner), strict=True))
    if all(size >= least for size, least in pairs):
        return
    text = (
        f"This network takes at least {_words(info.min_size)} voxels (Z, Y, X), but "
        f"the largest image has {_words(tuple(sizes))}"
    )
    remedy = "Use a smaller network.depth, another network, or larger images."
    if any(least > max(_MOST_REFLECTED * size, _SMALL) for size, least in pairs):
        raise ConfigError(f"{text}, so most of it would be made up. {remedy}")
    yield Finding("warning", f"{text}; the rest is reflected.", remedy, "network")


def _size_findings(
    config: ExperimentConfig, patch: ZYX, batch: int
) -> Iterator[Finding]:
    wanted, wanted_batch = config.sampling.patch_size, config.sampling.batch_size
    if wanted not in {"auto", patch}:
        yield Finding(
            "warning",
            f"Patches of {_words(wanted)} voxels were asked for; they are "
            f"{_words(patch)}, to fit the network and the images.",
            "Ask for that, or for auto.",
            "sampling.patch_size",
        )
    if wanted_batch not in {"auto", batch}:
        yield Finding(
            "warning",
            f"{wanted_batch} patches per iteration do not fit in memory; there are "
            f"{batch}.",
            "Ask for fewer or smaller patches, or for a smaller network.",
            "sampling.batch_size",
        )


def _words(size: object) -> str:
    return size_text(size) if isinstance(size, tuple) else str(size)


def _augmentation_findings(
    config: ExperimentConfig, facts: DatasetFacts, patch: ZYX
) -> Iterator[Finding]:
    for path, reason in _idle_augmentation(config, facts, patch).items():
        yield Finding(
            "warning",
            f"augmentation.{path} has no effect, since {reason}.",
            "Set it to auto, or change the other.",
            f"augmentation.{path}",
        )


def _idle_augmentation(
    config: ExperimentConfig, facts: DatasetFacts, patch: ZYX
) -> dict[str, str]:
    augmentation = config.augmentation
    found = {
        path: f"augmentation.{switch} is off"
        for path, switch in ineffective_settings(augmentation).items()
    }
    is_flat = patch[0] == 1 or is_in_plane(facts.voxel_size)
    if augmentation.geometry.in_depth is True and is_flat:
        found["geometry.in_depth"] = (
            "the patches are flat, or their voxels are not known to be about as long "
            "in z as in the plane"
        )
    if augmentation.rotations is True and patch[1] != patch[2]:
        found["rotations"] = f"patches of {_words(patch[1:])} voxels are not square"
    return found
