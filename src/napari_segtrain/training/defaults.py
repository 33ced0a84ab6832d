"""Numbers that the plan falls back on; measured, see ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_segtrain.axes import ZYX, anisotropy
from napari_segtrain.config import AdamWSolver, MuonSolver
from napari_segtrain.config.network import VOLUMES
from napari_segtrain.config.presets import USUAL_PRESET
from napari_segtrain.data.split import Region

if TYPE_CHECKING:
    from napari_segtrain.axes import VoxelSize
    from napari_segtrain.config import (
        FixedSolverConfig,
        LossConfig,
        NetworkConfig,
        SamplingConfig,
        TrainingConfig,
    )
    from napari_segtrain.config.augmentation import Preset
    from napari_segtrain.data.facts import DatasetFacts
    from napari_segtrain.networks import NetworkInfo

LEARNING_RATES = {
    "muon": 0.1, "adamw": 2e-3, "adam": 2e-3, "sgd": 0.1, "rmsprop": 1e-3,
}  # fmt: skip
"""Peak by solver."""
WEIGHT_DECAYS = {
    "muon": 0.1, "adamw": 1e-4, "adam": 1e-4, "sgd": 1e-4, "rmsprop": 1e-4,
}  # fmt: skip
"""By solver."""
FINE_TUNING_RATES = {
    "muon": 0.25, "adamw": 0.5, "adam": 0.5, "sgd": 0.5, "rmsprop": 0.5,
}  # fmt: skip
"""Factor of the peak for a training that goes on from a model, by solver."""
FROZEN_SHARE = 0.1
"""Of such a training, in which the encoder does not learn."""
FEW_IMAGES = 3
"""Flat images that are so few that what is seen of them is varied more."""
EPOCH = 50
MAX_MINUTES_CPU = 10.0
MAX_MINUTES_GPU = 30.0
MEMORY_SHARE = 0.7
SPARSE_SHARE = 0.5

_MAX_VALIDATION_VOXELS = {True: 1 << 20, False: 1 << 23}
_VALIDATION_TILE = {2: (1, 512, 512), 3: (64, 128, 128)}


@dataclass(frozen=True)
class Recipe:
    """What is used when the config leaves it open.

    Parameters
    ----------
    stem, depth, first_filters : int
        Of the U-Net.
    patch_size : ZYX
        Voxels, before it is fitted to the images.
    batch_size : int
        Patches of that size per iteration.
    """

    stem: Literal[1, 2]
    depth: int
    first_filters: int
    patch_size: ZYX
    batch_size: int


_SLICES = 3
_FIRST_FILTERS = {
    ("swin-unetr", True): 12,
    ("swin-unetr", False): 48,
    ("segnet", True): 24,
    ("segnet", False): 64,
    ("attention-unet", True): 8,
    ("unet++", True): 8,
    ("segresnet", True): 8,
    ("segresnet", False): 32,
    ("residual-unet", True): 16,
    ("dynunet", True): 8,
}
"""Where they differ from the recipe."""

_RECIPES: dict[tuple[int, bool], Recipe] = {
    (2, True): Recipe(2, 3, 24, (1, 160, 160), 4),
    (2, False): Recipe(1, 4, 32, (1, 320, 320), 8),
    (3, True): Recipe(1, 3, 8, (32, 64, 64), 2),
    (3, False): Recipe(1, 3, 32, (64, 128, 128), 2),
}


def recipe(dims: int, *, is_cpu: bool) -> Recipe:
    """Defaults for slices or volumes, on a processor or a GPU."""
    return _RECIPES[dims, is_cpu]


def complete_network(
    config: NetworkConfig,
    *,
    voxel_size: VoxelSize | None = None,
    is_cpu: bool,
) -> NetworkConfig:
    """Fill in what the config leaves to the plan.

    Parameters
    ----------
    config : NetworkConfig
        With ``auto`` where the plan chooses, but for ``dims``.
    voxel_size : VoxelSize, optional
        Decides how many levels are flat.
    is_cpu : bool
        Smaller networks for processors.
    """
    is_volume = config.dims == VOLUMES
    has_volumes_inside = is_volume and config.name != "unet-2.5d"
    usual = recipe(3 if has_volumes_inside else 2, is_cpu=is_cpu)
    depth = getattr(config, "depth", usual.depth)
    depth = usual.depth if depth == "auto" else depth
    filters = _FIRST_FILTERS.get((config.name, is_cpu), usual.first_filters)
    chosen = {
        "stem": usual.stem,
        "depth": depth,
        "flat_levels": flat_levels(voxel_size, depth) if is_volume else 0,
        "slices": _SLICES if is_volume else 1,
        "first_filters": filters,
    }
    changes = {k: v for k, v in chosen.items() if getattr(config, k, None) == "auto"}
    return config.model_copy(update=changes)


def flat_levels(voxel_size: VoxelSize | None, depth: int) -> int:
    """In-plane levels after which voxels are about cubic; 0 when they are already.

    Each halves the resolution in the plane, so their number is the logarithm to base 2
    of how much longer a voxel is in z, rounded.
    """
    ratio = anisotropy(voxel_size)
    if ratio is None or ratio <= 1:
        return 0
    return min(depth, round(math.log2(ratio)))


def foreground_share(config: SamplingConfig, facts: DatasetFacts) -> float:
    """Share of patches on foreground; none for sparse labels (see RESULTS.md)."""
    if config.foreground_share != "auto":
        return config.foreground_share
    return 0.0 if _is_sparse(facts) else 0.5


def complete_loss(config: LossConfig, facts: DatasetFacts) -> LossConfig:
    """Fill in what the config leaves to the plan.

    The overlap of a background that is labelled everywhere is large whatever happens at
    the borders of the classes: it is left out, as in nnU-Net. Strokes of a person are
    balanced, so the background counts there.
    """
    if getattr(config, "exclude_background", None) != "auto":
        return config
    has_background = any(row.role == "background" for row in facts.classes.classes)
    excludes = has_background and not _is_sparse(facts)
    return config.model_copy(update={"exclude_background": excludes})


def usual_preset(facts: DatasetFacts) -> Preset:
    """What the preset ``auto`` of augmentation is.

    Few images are less like others than slices are like the rest of their stack:
    ``strong`` gains with two or three images, and loses a little with slices.
    """
    n_images = sum(any(used) for used in facts.used)
    is_flat = all(len(used) == 1 for used in facts.used)
    return "strong" if is_flat and n_images <= FEW_IMAGES else USUAL_PRESET


def complete_solver(training: TrainingConfig) -> FixedSolverConfig:
    """Fill in what the config leaves to the plan.

    Muon learned most in so many iterations on five of six kinds of images, see
    ``RESULTS.md``. Its rates are others than those people know: a rate by hand is
    meant for AdamW.

    Parameters
    ----------
    training : TrainingConfig
        Asked-for solver and rate.
    """
    if training.solver.kind != "auto":
        return training.solver
    return MuonSolver() if training.learning_rate == "auto" else AdamWSolver()


def _is_sparse(facts: DatasetFacts) -> bool:
    """Whether less than half of the voxels that count are labelled."""
    n_used: float | None = facts.n_covered
    if n_used is None:
        n_voxels = sum(int(np.prod(shape)) for shape in facts.shapes)
        n_used = n_voxels * facts.n_used_slices / facts.n_slices
    return sum(facts.class_voxels) < SPARSE_SHARE * n_used


def patch_size(info: NetworkInfo, *, is_cpu: bool) -> ZYX:
    """Usual patch of a network, with its margin; of one that sees slices, of these."""
    usual = recipe(2 if info.is_of_slices else info.dims, is_cpu=is_cpu).patch_size
    z, y, x = (n + 2 * m for n, m in zip(usual, info.margin, strict=True))
    return z, y, x


def batch_size(patch: ZYX, info: NetworkInfo, *, is_cpu: bool) -> int:
    """Patches per iteration, so that an iteration has about the usual voxels."""
    usual = recipe(2 if info.is_of_slices else info.dims, is_cpu=is_cpu)
    n_voxels = usual.batch_size * int(np.prod(usual.patch_size))
    beside = zip(info.margin, info.prediction_margin, strict=True)
    extra = [2 * (margin - own) for margin, own in beside]
    n_seen = math.prod(max(1, n - m) for n, m in zip(patch, extra, strict=True))
    return int(np.clip(n_voxels // n_seen, 2, 32))


def validation_boxes(
    facts: DatasetFacts, dims: int, *, is_cpu: bool
) -> tuple[Region, ...]:
    """Parts of the held-out regions that are scored after each epoch.

    Tiles are spread evenly over the regions; slices that are not used are left out,
    and so is what exceeds the number of voxels that is affordable.
    """
    tiles = [
        tile
        for region in facts.split.validation
        for tile in _tiles(region, _VALIDATION_TILE[dims])
        if any(facts.used[tile.pair][tile.box[0]])
    ]
    n_voxels = sum(tile.n_voxels for tile in tiles)
    n_kept = len(tiles)
    if n_voxels > _MAX_VALIDATION_VOXELS[is_cpu]:
        n_kept = max(1, int(len(tiles) * _MAX_VALIDATION_VOXELS[is_cpu] / n_voxels))
    chosen = np.unique(np.linspace(0, len(tiles) - 1, n_kept).round().astype(int))
    return tuple(tiles[int(index)] for index in chosen) if tiles else ()


def _tiles(region: Region, size: ZYX) -> list[Region]:
    tiles = []
    steps = zip(region.start, region.stop, size, strict=True)
    axes = [range(start, stop, step) for start, stop, step in steps]
    for z in axes[0]:
        for y in axes[1]:
            for x in axes[2]:
                stop = [
                    min(a + s, b)
                    for a, s, b in zip((z, y, x), size, region.stop, strict=True)
                ]
                tiles.append(
                    Region(region.pair, (z, y, x), (stop[0], stop[1], stop[2]))
                )
    return tiles
