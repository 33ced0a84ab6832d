"""What a trained model says about itself: ``model.yaml``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from napari_segtrain.axes import ZYX, VoxelSize
from napari_segtrain.config import NetworkConfig
from napari_segtrain.config.base import UNKNOWN_NAME
from napari_segtrain.config.network import DIMS_OF
from napari_segtrain.config.plain_yaml import (
    PlainYamlError,
    dump_plain_yaml,
    load_plain_yaml,
)
from napari_segtrain.data.histogram import N_QUANTILES
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.data.object_recipe import ObjectRecipe, output_names
from napari_segtrain.data.seen_intensities import SeenIntensities
from napari_segtrain.errors import ModelError
from napari_segtrain.image import MAX_CLASSES, ClassTable
from napari_segtrain.models.calibration import TileCalibration
from napari_segtrain.models.decision import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_VERSION = 1
MAX_SPEC_BYTES = 4 << 20
MAX_CHANNELS = 1 << 16
MAX_MEMBERS = 32
_OBJECT_ROLES = ["background", "class"]


@dataclass(frozen=True)
class ModelSpec:
    """Everything but the weights.

    Parameters
    ----------
    name : str
        For people.
    dims : {2, 3}
        Whether slices or volumes are segmented.
    n_channels : int
        Channels of the input.
    channel_names : tuple of str
        May be empty.
    network : NetworkConfig
        Architecture, with nothing left to choose.
    normalization : Normalization
        Rule for intensities.
    classes : ClassTable
        Classes in the order of the network's outputs.
    patch_size : ZYX
        Size of the training patches, voxels.
    objects : ObjectRecipe, optional
        Which parts of objects the network tells apart, and how objects are made of
        them; absent where classes are learned, and in old models, whose objects are
        the connected pieces of the foreground.
    voxel_size : tuple of float, optional
        Of the training images, µm ZYX.
    level : str
        Level of the multiscale images that it was trained on; empty for others.
    scores : dict
        Validation scores by name; empty when nothing was held out.
    provenance : dict
        Versions, data fingerprints, seed, config, length of the training.
    weights_sha256 : str
        Checksum of the weights file.
    decision : Decision, optional
        How probabilities become classes, where the training has chosen it.
    n_members : int
        Networks whose probabilities are averaged.
    calibration : TileCalibration, optional
        Context that its tiles need, where that was measured.
    intensities : SeenIntensities, optional
        Of the training set, normalized; absent in old models.
    """

    name: str
    dims: Literal[2, 3]
    n_channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
    network: NetworkConfig
    normalization: Normalization
    classes: ClassTable
    patch_size: ZYX
    objects: ObjectRecipe | None = None
    voxel_size: VoxelSize | None = None
    channel_names: tuple[str, ...] = ()
    level: str = ""
    scores: dict[str, float | None] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    decision: Decision | None = None
    n_members: Annotated[int, Field(ge=1, le=MAX_MEMBERS)] = 1
    calibration: TileCalibration | None = None
    intensities: SeenIntensities | None = None
    format_version: int = FORMAT_VERSION

    @property
    def axes(self) -> str:
        """Axes of the input that the network takes."""
        return "CYX" if self.dims == 2 else "CZYX"  # noqa: PLR2004

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the network tells apart: the classes, or the parts of objects."""
        return output_names(self.classes, self.objects)


_ADAPTER = TypeAdapter(ModelSpec)


def dump_spec(spec: ModelSpec) -> str:
    """Write a spec as YAML."""
    values = _ADAPTER.dump_python(spec, mode="json")
    ordered = {"format_version": values.pop("format_version"), **values}
    return dump_plain_yaml(ordered)


def parse_spec(text: str, *, source: str) -> ModelSpec:
    """Read a spec.

    Raises
    ------
    ModelError
        When the text is no model description, or of a newer format.
    """
    if len(text) > MAX_SPEC_BYTES:
        raise ModelError(f"The model description in {source} is larger than 4 MiB.")
    try:
        values = load_plain_yaml(text)
    except PlainYamlError as error:
        raise ModelError(
            f"The model description in {source} is not YAML that can be read: {error}."
        ) from error
    if not isinstance(values, dict) or "network" not in values:
        raise ModelError(f"{source} does not describe a napari-segtrain model.")
    version = values.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelError(
            f"The model {source} has format version {version!r}, but this release "
            f"reads up to {FORMAT_VERSION}; update napari-segtrain."
        )
    try:
        spec = _ADAPTER.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in DIMS_OF)
        place += ".name" if first["type"] == UNKNOWN_NAME else ""
        raise ModelError(
            f"The model description in {source} is damaged: {place}: {first['msg']}."
        ) from error
    for problem in _problems(spec):
        raise ModelError(f"The model description in {source} is damaged: {problem}.")
    return spec


def _problems(spec: ModelSpec) -> Iterator[str]:
    """Parts that do not belong together, or that no training makes."""
    if spec.network.dims != spec.dims:
        yield f"it is for {spec.dims}D, but its network for {spec.network.dims}D"
    if spec.channel_names and len(spec.channel_names) != spec.n_channels:
        yield f"it has {len(spec.channel_names)} names for {spec.n_channels} channels"
    sizes = (*spec.patch_size, *(spec.voxel_size or ()))
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        yield "a size is not positive"
    yield from _class_problems(spec.classes)
    if spec.decision is not None:
        yield from spec.decision.problems(spec.classes.n_classes)
    if spec.calibration is not None:
        yield from spec.calibration.problems()
    if spec.objects is not None and not _is_for_objects(spec.classes):
        yield "it makes objects, but its classes are not background and object"
    yield from _intensity_problems(spec.normalization, spec.n_channels)
    if spec.intensities is not None:
        yield from spec.intensities.problems(spec.n_channels)


def _class_problems(table: ClassTable) -> Iterator[str]:
    if not 2 <= table.n_classes <= MAX_CLASSES:  # noqa: PLR2004 - one tells nothing
        yield f"it has {table.n_classes} classes"
    values = [value for row in table.classes for value in row.all_values]
    if len(set(values)) != len(values):
        yield "two classes have the same value"
    if table.is_objects and not table.foreground:
        yield "it is for objects, but has no class for them"


def _is_for_objects(table: ClassTable) -> bool:
    return table.is_objects and [r.role for r in table.classes] == _OBJECT_ROLES


def _rises(row: tuple[float, ...]) -> bool:
    is_finite = len(row) == N_QUANTILES and all(map(math.isfinite, row))
    return is_finite and all(a <= b for a, b in pairwise(row))


def _intensity_problems(rule: Normalization, n_channels: int) -> Iterator[str]:
    low, high = rule.percentiles
    if not 0 <= low < high <= 100:  # noqa: PLR2004 - percent
        yield f"its percentiles are {low} and {high}"
    if rule.cell_size < 1 or not 0 < rule.clip_limit <= 1:
        yield f"its cells are {rule.cell_size} wide and limited to {rule.clip_limit}"
    if not 0 <= rule.denoising < math.inf:
        yield f"its denoising is {rule.denoising}"
    levels = rule.histogram
    if levels is not None and (
        rule.training_set is None
        or len(levels) != n_channels
        or not all(_rises(row) for row in levels)
    ):
        yield "the histogram of its training set is none"
    if rule.training_set is None:
        if rule.scope == "training-set":
            yield "the intensities of its training set are missing"
        return
    for numbers in (rule.training_set.offset, rule.training_set.scale):
        if len(numbers) != n_channels or not all(map(math.isfinite, numbers)):
            yield f"it holds no intensities of {n_channels} channels"
