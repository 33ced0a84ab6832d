"""The automatic choice: slices, slices with their neighbors, or volumes.

From the voxel size, the shape of the images and what is labelled; `choose_network` says
why in a sentence. `defaults.flat_levels` adds how many levels of a network for volumes
work in the plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_segtrain.axes import ANISOTROPY_RATIO, anisotropy
from napari_segtrain.config import (
    NetworkConfig,
    UNet25DConfig,
    UNetConfig,
    asked_dims,
    wants_volumes,
)
from napari_segtrain.config.network import VOLUMES
from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from napari_segtrain.data.facts import DatasetFacts

View = Literal["2D", "2.5D", "3D"]
"""What a network sees of a volume: a slice, a slice with its neighbors, or a block."""

MIN_SLICES = 12
"""Of the thinnest stack that is not seen slice by slice: the deepest level of the
default network for volumes would see one or two otherwise."""
MIN_USED_SHARE = 0.5
"""Share of the slices that hold labels, below which there is too little to learn from
for more than that (``benchmarks/RESULTS.md``)."""
MIN_CONTINUITY = 0.5
"""Share of a class that has to recur in the next slice for neighbors to help: most of
it."""


@dataclass(frozen=True)
class Stack:
    """What the choice depends on.

    Parameters
    ----------
    n_slices : int
        Of the thinnest image.
    ratio : float, optional
        How many times longer a voxel is in z; ``None`` when that is unknown.
    change_ratio : float, optional
        How many times as often classes change from slice to slice as from pixel to
        pixel; ``None`` when that cannot be told.
    continuity : float, optional
        Greatest share of a class that recurs in the next slice.
    n_used, n_total : int
        Slices that hold labels, and slices, of all images.
    """

    n_slices: int
    ratio: float | None
    change_ratio: float | None
    continuity: float | None
    n_used: int
    n_total: int


def choose_network(
    config: NetworkConfig, facts: DatasetFacts
) -> tuple[NetworkConfig, str]:
    """Choose between slices and volumes where the config does not, and say why.

    Returns
    -------
    NetworkConfig
        The same with ``dims``; a U-Net may become one that sees neighboring slices.
    str
        Why, as a sentence for people.

    Raises
    ------
    ConfigError
        When volumes are asked for and an image is flat.
    """
    if wants_volumes(config) and min(shape[0] for shape in facts.shapes) == 1:
        raise ConfigError(
            "A 3D network was asked for, but some images are flat (one slice); "
            "use --dims 2, or --stack when the files are slices of one volume."
        )
    if config.dims != "auto":
        return config, f"{config.dims}D, as asked for"
    asked = asked_dims(config)
    if asked is not None:
        reason = (
            f"{config.name} takes volumes"
            if asked == VOLUMES
            else "one slice is looked at"
        )
        return _with(config, asked), f"{asked}D, since {reason}"
    view, why = choose_view(describe_stack(facts))
    return _seen_as(config, view, why)


def flat_words(network: NetworkConfig) -> str:
    """What the end of the sentence says of levels that work in the plane."""
    n_flat = getattr(network, "flat_levels", 0)
    if not n_flat or network.dims != VOLUMES:
        return ""
    levels = "the first level works" if n_flat == 1 else f"{n_flat} levels work"
    return f"; {levels} in the plane"


def describe_stack(facts: DatasetFacts) -> Stack:
    """What the choice needs to know of a training set."""
    return Stack(
        n_slices=min(shape[0] for shape in facts.shapes),
        ratio=anisotropy(facts.voxel_size),
        change_ratio=facts.change_ratio,
        continuity=facts.continuity,
        n_used=facts.n_used_slices,
        n_total=facts.n_slices,
    )


def choose_view(stack: Stack) -> tuple[View, str]:
    """Choose what a network sees of each image, and say why.

    Notes
    -----
    That blocks are not for voxels more than three times longer in z is nnU-Net's rule
    for anisotropic images (Isensee et al. 2021,
    https://doi.org/10.1038/s41592-020-01008-z). Where the voxel size is unknown, the
    same factor holds for how much more often the labels change along z.
    """
    obstacle = _obstacle_to_neighbors(stack)
    if obstacle:
        return "2D", obstacle
    thickness = _thickness(stack)
    if thickness:
        return _sections_view(stack, thickness)
    if stack.ratio is None:
        return "3D", "a volume of unknown voxel size, taken as isotropic"
    if stack.ratio <= 1:
        return "3D", "voxels are not longer in z than in the plane"
    return "3D", f"voxels are only {stack.ratio:.1f} times longer in z"


def _sections_view(stack: Stack, thickness: str) -> tuple[View, str]:
    """Take neighbors into account where they say something about the slice."""
    share = stack.continuity or 0.0
    if share < MIN_CONTINUITY:
        return "2D", f"{thickness}, and classes hardly go on from one to the next"
    return "2.5D", f"{thickness}, but {share:.0%} of a class recur in the next slice"


def _obstacle_to_neighbors(stack: Stack) -> str:
    """Why slices should be seen by themselves; empty when they need not."""
    if stack.n_slices == 1:
        return "the images are flat"
    if stack.n_slices < MIN_SLICES:
        return f"a stack of {stack.n_slices} slices is too thin for more"
    if stack.n_used < MIN_USED_SHARE * stack.n_total:
        return f"{stack.n_used} of {stack.n_total} slices hold labels"
    if stack.ratio is None and stack.change_ratio is None:
        return "the voxel size is unknown, and labels are too sparse to tell it from"
    return ""


def _thickness(stack: Stack) -> str:
    """Why blocks of voxels are no good; empty when they are."""
    if stack.ratio is not None:
        if stack.ratio <= ANISOTROPY_RATIO:
            return ""
        return f"slices are {stack.ratio:.1f} times thicker than pixels are wide"
    changes = stack.change_ratio
    if changes is None or changes <= ANISOTROPY_RATIO:
        return ""
    return (
        f"the voxel size is unknown, and labels change {changes:.1f} times as often "
        "from slice to slice as from pixel to pixel"
    )


def _seen_as(config: NetworkConfig, view: View, why: str) -> tuple[NetworkConfig, str]:
    """Give a network that view; where it has no neighbors, slices by themselves."""
    if view != "2.5D":
        return _with(config, 3 if view == "3D" else 2), f"{view}: {why}"
    neighbors = _with_neighbors(config)
    if neighbors is not None:
        return neighbors, f"2.5D: {why}"
    return _with(config, 2), f"2D: {why}, and {config.name} sees no neighboring slices"


def _with_neighbors(config: NetworkConfig) -> NetworkConfig | None:
    """The network with neighboring slices; ``None`` where there is none.

    DeepEM3D has them for volumes; a U-Net has them unless a setting is given that its
    2.5D form does not know.
    """
    if config.name == "deepem3d":
        return _with(config, 3)
    if not isinstance(config, UNetConfig):
        return None
    given = config.model_dump(exclude={"name", "dims"}, exclude_defaults=True)
    if given.keys() - UNet25DConfig.model_fields.keys():
        return None
    return UNet25DConfig(dims=3, **given)


def _with(config: NetworkConfig, dims: int) -> NetworkConfig:
    return config.model_copy(update={"dims": dims})
