"""What a network learns of objects, and by which numbers they are made of it again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_segtrain.axes import ZYX
from napari_segtrain.config.objects import (
    BoundariesTarget,
    DistancesTarget,
    ForegroundTarget,
    ObjectTargetConfig,
)
from napari_segtrain.data.targets import has_only_objects
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import IGNORE_INDEX, ClassTable

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from napari_segtrain.axes import VoxelSize
    from napari_segtrain.config import ObjectsConfig, PredictedObjectsConfig
    from napari_segtrain.data.label_facts import LabelFacts

Spacing = tuple[float, float, float]
"""Size of a voxel along Z, Y and X, the smallest being 1."""

_PERCENTS = (5, 50, 95)
_MOST = 0.5
_USUAL = (0, 250, 2500)
"""Sizes that are taken where the labels do not tell those of objects."""
_SMALLEST = 4
"""Part of the size of a small labelled object that a predicted one must have."""
_MAX_REACH = 48.0


class ObjectFacts(Protocol):
    """What is known of labels that number objects."""

    @property
    def classes(self) -> ClassTable:
        """What the values mean."""
        ...

    @property
    def shapes(self) -> tuple[ZYX, ...]:
        """Size of each item, voxels."""
        ...

    @property
    def voxel_size(self) -> VoxelSize | None:
        """µm ZYX."""
        ...

    @property
    def object_voxels(self) -> tuple[int, ...]:
        """Size that 5, 50 and 95 % of the objects do not exceed."""
        ...


@dataclass(frozen=True)
class ObjectRecipe:
    """From ids to the parts of objects that a network learns, and back.

    Parameters
    ----------
    target : ObjectTargetConfig
        What is learned.
    spacing : tuple of float
        Size of a voxel along Z, Y and X, the smallest being 1.
    prominence : float
        Least difference in depth (0 to 1) between the middle of an object and where it
        meets the next one.
    smoothing : tuple of float
        Of the depth, voxels (sigma) along Z, Y and X.
    min_voxels : int
        Smaller objects are left out.
    fill_holes : bool
        Whether holes inside objects are closed.
    reach : ZYX
        Voxels around a box that are looked at to tell the parts inside it.
    radius : float, optional
        Of a usual labelled object, in finest voxels; old models do not say.
    """

    target: ObjectTargetConfig = field(default_factory=ForegroundTarget)
    spacing: Spacing = (1.0, 1.0, 1.0)
    prominence: float = 0.02
    smoothing: tuple[float, float, float] = (0.0, 1.0, 1.0)
    min_voxels: int = 0
    fill_holes: bool = False
    reach: ZYX = (0, 0, 0)
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of an object; none when it is one with its class."""
        if isinstance(self.target, BoundariesTarget):
            return ("interior", "boundary", "interface")
        if isinstance(self.target, DistancesTarget):
            n = self.target.steps
            return tuple(f"depth {step}/{n}" for step in range(1, n + 1))
        return ()

    @property
    def smoothing_in_radii(self) -> float | None:
        """Smoothing in radii of a usual object; ``None`` where that is not known."""
        if self.radius is None:
            return None
        return round(self.smoothing[-1] * self.spacing[-1] / self.radius, 3)

    def output_names(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Names of background and parts, from those of background and foreground."""
        if not self.parts:
            return classes
        background, foreground = classes
        return (background, *(f"{foreground} {part}" for part in self.parts))

    @property
    def class_of_part(self) -> tuple[int, ...]:
        """Class index of each output: 0 for the background, 1 for the others."""
        return (0, *([1] * max(1, len(self.parts))))

    def to_classes(self, parts: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Class indices (0, 1 or `IGNORE_INDEX`) of outputs' indices."""
        lookup = np.full(IGNORE_INDEX + 1, IGNORE_INDEX, np.uint8)
        lookup[: len(self.class_of_part)] = self.class_of_part
        return lookup[parts]


def output_names(classes: ClassTable, objects: ObjectRecipe | None) -> tuple[str, ...]:
    """What a network tells apart: classes, or the background and parts of objects."""
    names = classes.names
    return names if objects is None else objects.output_names(names)


def asked_parts(config: ObjectsConfig, classes: ClassTable) -> tuple[str, ...]:
    """Parts of objects that are to be learned; none of classes."""
    return ObjectRecipe(config.target).parts if classes.is_objects else ()


def relative_spacing(voxel_size: VoxelSize | None) -> Spacing:
    """Voxel size with 1 for the finest axis; cubic when it is unknown."""
    if voxel_size is None:
        return (1.0, 1.0, 1.0)
    finest = min(voxel_size)
    z, y, x = (size / finest for size in (*[finest] * 3, *voxel_size)[-3:])
    return (z, y, x)


def radii(width: float, spacing: Spacing, *, is_2d: bool) -> ZYX:
    """Voxels along Z, Y and X that a width (of finest voxels) spans; at least 1."""
    z, y, x = (max(1, round(width / size)) for size in spacing)
    return (0 if is_2d else z, y, x)


def plan_objects(
    config: ObjectsConfig, facts: ObjectFacts, *, is_2d: bool
) -> ObjectRecipe | None:
    """Decide how objects are learned; ``None`` when the labels are classes.

    Parameters
    ----------
    config : ObjectsConfig
        What was asked for.
    facts : ObjectFacts
        Sizes of the labelled objects and of voxels.
    is_2d : bool
        Whether slices, not volumes, are segmented.
    """
    if not facts.classes.is_objects:
        return None
    spacing = relative_spacing(facts.voxel_size)
    sizes = _areas(facts) if is_2d else facts.object_voxels or _USUAL
    min_voxels = config.min_voxels
    _, radius, largest = (_radius(size, spacing, is_2d=is_2d) for size in sizes)
    return ObjectRecipe(
        target=config.target,
        spacing=spacing,
        prominence=config.prominence,
        smoothing=_smoothing(config.smoothing * radius, spacing, is_2d=is_2d),
        min_voxels=sizes[0] // _SMALLEST if min_voxels == "auto" else min_voxels,
        fill_holes=config.fill_holes,
        reach=_reach(config.target, largest, spacing, is_2d=is_2d),
        radius=radius,
    )


def known_recipe(
    classes: ClassTable, recipe: ObjectRecipe | None
) -> ObjectRecipe | None:
    """How a model makes objects: of connected pieces where it does not say.

    ``None`` for a model of classes.
    """
    if not classes.is_objects:
        return None
    return ObjectRecipe() if recipe is None else recipe


def changed_recipe(
    recipe: ObjectRecipe | None, changes: PredictedObjectsConfig, *, is_2d: bool
) -> ObjectRecipe | None:
    """Change how the objects of a prediction are made.

    Parameters
    ----------
    recipe : ObjectRecipe, optional
        Of the model; ``None`` where it tells classes apart.
    changes : PredictedObjectsConfig
        What was asked for.
    is_2d : bool
        Whether slices, not volumes, are segmented.

    Returns
    -------
    ObjectRecipe or None
        ``None`` where there is none to change.

    Raises
    ------
    ConfigError
        When something is asked for that the model has no use for.
    """
    asked: dict[str, Any] = {name: x for name, x in changes if x != "auto"}
    if not asked:
        return recipe
    if recipe is None:
        raise ConfigError(
            "The model tells classes apart and makes no objects, so there is nothing "
            f"that {_named(asked.keys())} could change; leave it out, or choose a "
            "model that was trained on objects."
        )
    _check_parting(recipe, asked.keys())
    if "smoothing" in asked:
        width = asked["smoothing"] * _known_radius(recipe)
        asked["smoothing"] = _smoothing(width, recipe.spacing, is_2d=is_2d)
    return replace(recipe, **asked)


def recipe_words(recipe: ObjectRecipe) -> str:
    """Say how objects are made, in the words of the settings."""
    parts: list[str] = [recipe.target.kind if recipe.parts else "connected pieces"]
    if recipe.parts:
        parts.append(f"prominence {recipe.prominence:g}")
        if recipe.smoothing_in_radii is not None:
            parts.append(f"smoothing {recipe.smoothing_in_radii:g} radii")
    parts.append(f"at least {recipe.min_voxels} voxels")
    return ", ".join([*parts, *["holes filled"] * recipe.fill_holes])


def plan_ring(
    config: ObjectsConfig, classes: ClassTable, voxel_size: VoxelSize | None
) -> ZYX:
    """Voxels around objects that are background, where nothing else says so."""
    if not has_only_objects(classes):
        return (0, 0, 0)
    return radii(config.ring_width, relative_spacing(voxel_size), is_2d=False)


def object_sizes(facts: Sequence[LabelFacts], classes: ClassTable) -> tuple[int, ...]:
    """Size that 5, 50 and 95 % of the labelled objects do not exceed, in voxels.

    Empty where the labels are classes, or most values stand for several pieces.
    """
    if not classes.is_objects:
        return ()
    others = {v for r in classes.rows if r.role != "class" for v in r.all_values}
    numbered = [fact.counts for fact in facts if fact.one_blob_share >= _MOST]
    found = [n for counts in numbered for v, n in counts.items() if v not in others]
    return tuple(int(n) for n in np.percentile(found, _PERCENTS)) if found else ()


def _check_parting(recipe: ObjectRecipe, asked: Set[str]) -> None:
    """Refuse settings of a separation where objects are not separated."""
    parting = asked & {"prominence", "smoothing"}
    if parting and not recipe.parts:
        raise ConfigError(
            "For the model each connected piece is an object, so there is nothing that "
            f"{_named(parting)} could change; leave it out, or train a model with "
            "objects.target boundaries or distances."
        )


def _known_radius(recipe: ObjectRecipe) -> float:
    if recipe.radius is None:
        raise ConfigError(
            "The model does not say how large the objects of its training were, in "
            "whose radii objects.smoothing is given; leave it out, or train the model "
            "again."
        )
    return recipe.radius


def _named(settings: Set[str]) -> str:
    return " or ".join(f"objects.{name}" for name in sorted(settings))


def _areas(facts: ObjectFacts) -> tuple[int, ...]:
    """Sizes of objects in a slice, about, where they were labelled in volumes."""
    is_flat = all(shape[0] == 1 for shape in facts.shapes)
    power = 1 if is_flat else 2 / 3
    return tuple(round(size**power) for size in facts.object_voxels or _USUAL)


def _radius(n_voxels: int, spacing: Spacing, *, is_2d: bool) -> float:
    """Radius of a disk, or ball, of a size, in finest voxels."""
    size = n_voxels * math.prod(spacing[is_2d:])
    if is_2d:
        return math.sqrt(size / math.pi)
    return float((size * 3 / (4 * math.pi)) ** (1 / 3))


def _smoothing(
    width: float, spacing: Spacing, *, is_2d: bool
) -> tuple[float, float, float]:
    """Sigma along Z, Y and X, voxels; slices of a 2D network are smoothed alone."""
    z, y, x = (round(width / size, 3) for size in spacing)
    return (0.0 if is_2d else z, y, x)


def _reach(
    target: ObjectTargetConfig, radius: float, spacing: Spacing, *, is_2d: bool
) -> ZYX:
    """Voxels around a box that say what part of an object its voxels are."""
    if isinstance(target, BoundariesTarget):
        return radii(target.width, spacing, is_2d=is_2d)
    if isinstance(target, DistancesTarget):
        return radii(min(2 * radius, _MAX_REACH), spacing, is_2d=is_2d)
    return (0, 0, 0)
