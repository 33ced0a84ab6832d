"""What a trained model says about itself: ``model.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from napari_segtrain.axes import ZYX, VoxelSize
from napari_segtrain.config import NetworkConfig
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.errors import ModelError
from napari_segtrain.image import ClassTable

FORMAT_VERSION = 1
MAX_SPEC_BYTES = 4 << 20


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
    voxel_size : tuple of float, optional
        Of the training images, µm ZYX.
    scores : dict
        Validation scores by name; empty when nothing was held out.
    provenance : dict
        Versions, data fingerprints, seed, config, length of the training.
    weights_sha256 : str
        Checksum of the weights file.
    """

    name: str
    dims: Literal[2, 3]
    n_channels: int
    network: NetworkConfig
    normalization: Normalization
    classes: ClassTable
    patch_size: ZYX
    voxel_size: VoxelSize | None = None
    channel_names: tuple[str, ...] = ()
    scores: dict[str, float | None] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    format_version: int = FORMAT_VERSION

    @property
    def axes(self) -> str:
        """Axes of the input that the network takes."""
        return "CYX" if self.dims == 2 else "CZYX"  # noqa: PLR2004


_ADAPTER = TypeAdapter(ModelSpec)


def dump_spec(spec: ModelSpec) -> str:
    """Write a spec as YAML."""
    values = _ADAPTER.dump_python(spec, mode="json")
    ordered = {"format_version": values.pop("format_version"), **values}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True)


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
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ModelError(f"The model description in {source} is not YAML.") from error
    if not isinstance(values, dict) or "network" not in values:
        raise ModelError(f"{source} does not describe a napari-segtrain model.")
    version = values.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelError(
            f"The model {source} has format version {version!r}, but this release "
            f"reads up to {FORMAT_VERSION}; update napari-segtrain."
        )
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"The model description in {source} is damaged: {place}: {first['msg']}."
        ) from error
