"""Whether a model can be applied to an image, and how it is asked to be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import psutil

from napari_segtrain.axes import SPATIAL_AXES, item_axes
from napari_segtrain.boxes import Box, full_box
from napari_segtrain.data.object_recipe import changed_recipe, known_recipe
from napari_segtrain.errors import DataError, ModelError
from napari_segtrain.inference.rescaling import rescaling_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.data.object_recipe import ObjectRecipe
    from napari_segtrain.image import Image, Item
    from napari_segtrain.inference.protocol import TrainedModel

_LABEL_BYTES = 4
_MAPS = 3
"""Classes that are counted with."""
_MEMORY_SHARE = 0.25


def check_fit(model: TrainedModel, image: Image) -> None:
    """Compare dimensions and channels.

    Raises
    ------
    ModelError
        When the model cannot be applied to the image, with the reason.
    """
    spec = model.spec
    check_input(image, model.info.dims, spec.n_channels, spec.channel_names)


def check_input(
    image: Image, dims: int, n_channels: int, channel_names: tuple[str, ...]
) -> None:
    """Compare an image with what a model takes; see `check_fit`.

    Parameters
    ----------
    image : Image
        What is to be predicted.
    dims : int
        Spatial dimensions of the network.
    n_channels, channel_names
        Of the images that it was trained on.

    Raises
    ------
    ModelError
        When the model cannot be applied to the image, with the reason.
    """
    if dims == len(SPATIAL_AXES) and "Z" not in image.axes:
        raise ModelError(
            f"The model segments volumes, but {image.name} has the axes {image.axes} "
            f"(shape {tuple(image.array.shape)}) without Z; choose a 2D model, or open "
            "the slices as one stack."
        )
    if image.n_channels != n_channels:
        raise ModelError(
            f"The model was trained on {_channels(n_channels, channel_names)}, but "
            f"{image.name} has {_channels(image.n_channels, image.channel_names)} "
            f"(axes {image.axes}, shape {tuple(image.array.shape)}); choose the same "
            "channels as in training, or another model."
        )


def fitted_config(config: InferenceConfig, model: TrainedModel) -> InferenceConfig:
    """Give a network that is not local tiles of the size it was trained on."""
    if model.info.is_local or config.tile_size != "auto":
        return config
    return config.model_copy(update={"tile_size": model.spec.patch_size})


def chosen_recipe(
    model: TrainedModel, config: InferenceConfig, image: Image | None = None
) -> ObjectRecipe | None:
    """How objects are made; ``None`` for a model of classes.

    Parameters
    ----------
    model : TrainedModel
        What is applied.
    config : InferenceConfig
        Whether it is rescaled, and what an object is where not as the model has it.
    image : Image, optional
        In whose voxels objects are made where it is rescaled.

    Raises
    ------
    ConfigError
        When settings of objects are asked for that the model has no use for.
    """
    recipe = known_recipe(model.spec.classes, model.spec.objects)
    rescaling = None if image is None else rescaling_of(model, image, config)
    if rescaling is not None and recipe is not None:
        recipe = rescaling.recipe(recipe)
    is_2d = model.info.dims < len(SPATIAL_AXES)
    return changed_recipe(recipe, config.objects, is_2d=is_2d)


def region(image: Image, slices: tuple[int, int] | None) -> Box:
    """Box of each item that is predicted.

    Parameters
    ----------
    image : Image
        What is predicted.
    slices : (int, int), optional
        First slice along Z, and the one after the last; all without it.

    Raises
    ------
    DataError
        When the slices are not in the image.
    """
    box = full_box(image.items()[0].shape)
    if slices is None:
        return box
    start, stop = slices
    if not 0 <= start < stop <= box[0].stop:
        raise DataError(
            f"The slices {start} to {stop} (the last not included) are not in "
            f"{image.name}, which has {box[0].stop}; choose from 0 to {box[0].stop}."
        )
    return slice(start, stop), box[1], box[2]


def chosen_items(image: Image, items: Mapping[str, int] | None) -> list[Item]:
    """Items of an image that have the given index on some of its item axes.

    Parameters
    ----------
    image : Image
        What is predicted.
    items : mapping of str to int, optional
        Position by axis letter, such as ``{"T": 3}``; all items without it.

    Raises
    ------
    DataError
        When an axis is no item axis of the image, or the position is not on it.
    """
    wanted = dict(items or {})
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    known = item_axes(image.axes)
    for axis, position in wanted.items():
        if axis not in known:
            raise DataError(
                f"{image.name} has no item axis {axis} (axes {image.axes}); choose "
                f"one of {', '.join(known) or 'none'}."
            )
        if not 0 <= position < sizes[axis]:
            raise DataError(
                f"The position {position} along {axis} is not in {image.name}, which "
                f"has {sizes[axis]}; choose from 0 to {sizes[axis] - 1}."
            )
    return [item for item in image.items() if wanted.items() <= item.index.items()]


def _channels(n_channels: int, names: tuple[str, ...]) -> str:
    text = "1 channel" if n_channels == 1 else f"{n_channels} channels"
    return f"{text} ({', '.join(names)})" if names else text


def is_too_large(image: Image, config: InferenceConfig) -> bool:
    """Whether a result, with its maps, asks for too much of the memory of a computer.

    Parameters
    ----------
    image : Image
        What is predicted.
    config : InferenceConfig
        Which maps are wanted.
    """
    n_maps = {"none": 0, "uint8": 1, "float32": 4}[config.probabilities] * _MAPS
    n_maps += 4 * (config.uncertainty != "none")
    sizes = zip(image.axes, image.array.shape, strict=True)
    n_voxels = math.prod(int(n) for axis, n in sizes if axis != "C")
    needed = n_voxels * (_LABEL_BYTES + n_maps)
    return bool(needed > _MEMORY_SHARE * psutil.virtual_memory().total)
