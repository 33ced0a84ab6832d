"""A trained model, loaded and described."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segtrain.axes import format_voxel_size
from napari_segtrain.config import network_words
from napari_segtrain.data.object_recipe import known_recipe, recipe_words
from napari_segtrain.models import decision_words
from napari_segtrain.training import run_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_segtrain.models import Model, ModelSpec

_SHOWN = ("created", "iterations", "seconds", "seed", "images")


def load_model(path: str | Path) -> Model:
    """Load a model folder or zip, a run folder, or a checkpoint.

    Raises
    ------
    ModelError
        When there is no model, or it is damaged, hostile or of a newer format.
    """
    return run_folder.load_model(Path(path))


def describe_model(model: Model) -> list[str]:
    """Lines that tell a person what a model is."""
    spec = model.spec
    names = ", ".join(spec.channel_names)
    n_channels = f"{spec.n_channels} channel{'s' * (spec.n_channels != 1)}"
    return [
        f"network: {network_words(spec.network)}, "
        f"{model.info.n_parameters:,} parameters",
        f"input: {spec.axes}, {n_channels}{f' ({names})' if names else ''}, "
        f"voxel size {format_voxel_size(spec.voxel_size)}"
        + (f", level {spec.level} of multiscale images" if spec.level else ""),
        "classes: "
        + ", ".join(f"{row.value} {row.name}" for row in spec.classes.classes)
        + (" (objects)" if spec.classes.is_objects else ""),
        f"normalization: {spec.normalization.words}",
        f"validation: {_scores(spec.scores) or 'none, so no score is claimed'}",
        *([f"ensemble: {spec.n_members} networks"] if spec.n_members > 1 else []),
        *([f"tiles: {spec.calibration.words()}"] if spec.calibration else []),
        *_decision(spec),
        *_objects(spec),
        *(f"{key}: {value}" for key, value in _origin(spec.provenance).items()),
    ]


def _decision(spec: ModelSpec) -> list[str]:
    if spec.decision is None:
        return []
    return [f"decision: {decision_words(spec.decision, spec.classes.names)}"]


def _objects(spec: ModelSpec) -> list[str]:
    recipe = known_recipe(spec.classes, spec.objects)
    return [] if recipe is None else [f"objects: {recipe_words(recipe)}"]


def _scores(scores: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{name} {'-' if value is None else f'{value:.3f}'}"
        for name, value in scores.items()
    )


def _origin(provenance: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: provenance[key] for key in _SHOWN if key in provenance}
    if "images" in found:
        found["images"] = ", ".join(map(str, found["images"]))
    return found
