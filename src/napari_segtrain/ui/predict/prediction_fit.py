"""Whether images and settings fit a model, in a sentence, before a start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.data.object_recipe import changed_recipe
from napari_segtrain.errors import ConfigError, DataError, ModelError
from napari_segtrain.inference.fit import check_input
from napari_segtrain.inference.orientations import check_orientations
from napari_segtrain.inference.rescaling import known_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import Image
    from napari_segtrain.workflows.run_info import RunInfo


def check_choice(info: RunInfo | None, images: Sequence[Image]) -> None:
    """Compare the images with the model, without loading it.

    Raises
    ------
    ModelError, DataError
        With the reason why a prediction cannot start.
    """
    if info is None:
        raise ModelError(
            "No model is chosen; choose one in the list, open a file or folder, or "
            "train one in the Train dock."
        )
    if not images:
        raise DataError("No image is chosen; open an image, and check it in the list.")
    for image in images:
        if info.dims is not None and info.n_channels is not None:
            check_input(image, info.dims, info.n_channels, info.channel_names)


def check_rescaling(info: RunInfo | None, images: Sequence[Image]) -> None:
    """Compare voxel sizes with the model's, for rescaling, without loading it.

    Raises
    ------
    ConfigError, DataError
        When one is not known.
    """
    if info is not None and info.dims is not None:
        for image in images:
            known_sizes(image, info.dims, info.voxel_size)


def check_settings(
    info: RunInfo | None, config: InferenceConfig, n_models: int = 1
) -> None:
    """Compare the settings with the model, without loading it.

    Raises
    ------
    ConfigError
        When settings are asked for that the model has no use for.
    """
    if info is not None:
        n_networks = n_models - 1 + info.n_members
        is_single = config.orientations == 1 and n_networks == 1
        if is_single and config.uncertainty in {"deviation", "agreement"}:
            raise ConfigError(
                f"There is no {config.uncertainty} of a single prediction; set "
                "orientations to 2 or more, or uncertainty to entropy."
            )
        if info.dims is not None:
            check_orientations(config.orientations, info.dims)
        is_2d = info.dims != len(SPATIAL_AXES)
        changed_recipe(info.objects, config.objects, is_2d=is_2d)


def own_settings(info: RunInfo | None) -> dict[str, Any]:
    """What a model takes for settings that are auto, by their paths."""
    recipe = None if info is None else info.objects
    if recipe is None:
        return {}
    values: dict[str, Any] = {
        "min_voxels": recipe.min_voxels,
        "fill_holes": recipe.fill_holes,
    }
    if recipe.parts:
        smoothing = recipe.smoothing_in_radii
        values |= {"prominence": recipe.prominence, "smoothing": smoothing}
    return {f"objects.{name}": value for name, value in values.items()}


def best_level(
    info: RunInfo | None, voxel_sizes: Sequence[Sequence[float] | None]
) -> int:
    """Level of a multiscale image whose voxels along X are nearest to the training's.

    Where sizes are not known, the level that the model was trained on, if there is one.
    """
    if info is None:
        return 0
    if info.voxel_size is None or None in voxel_sizes:
        known = int(info.level) if info.level.isdecimal() else 0
        return min(known, len(voxel_sizes) - 1)
    wanted = info.voxel_size[-1]
    ratios = [size[-1] / wanted for size in voxel_sizes if size]
    return min(range(len(ratios)), key=lambda n: max(ratios[n], 1 / ratios[n]))
