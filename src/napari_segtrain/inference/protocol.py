"""What a prediction needs of a trained model and of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import nn

    from napari_segtrain.axes import ZYX, VoxelSize
    from napari_segtrain.boxes import Box
    from napari_segtrain.data.object_recipe import ObjectRecipe
    from napari_segtrain.image import ClassTable, Item
    from napari_segtrain.models import Decision
    from napari_segtrain.networks import NetworkInfo

Array32 = npt.NDArray[np.float32]


class Intensities(Protocol):
    """Normalization of one item."""

    def apply(self, block: npt.NDArray[Any], box: Box, /) -> Array32:
        """Normalize a block of shape (C, Z, Y, X) that was read from ``box``."""
        ...


class IntensityRule(Protocol):
    """Normalization of a model."""

    @property
    def reach(self) -> ZYX:
        """Voxels around a box that are read with it."""
        ...

    def prepare(self, item: Item, /) -> tuple[Item, Intensities]:
        """Return the item as it is to be read, and the map that its tiles share."""
        ...


class TrainedSpec(Protocol):
    """What a model says about itself."""

    @property
    def n_channels(self) -> int:
        """Channels of the images it was trained on."""
        ...

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Their names; may be empty."""
        ...

    @property
    def voxel_size(self) -> VoxelSize | None:
        """Of these images, µm ZYX, where it is known."""
        ...

    @property
    def classes(self) -> ClassTable:
        """Classes; in the order of the network's outputs unless these are parts."""
        ...

    @property
    def objects(self) -> ObjectRecipe | None:
        """How objects are made; ``None`` where there is nothing to say of it."""
        ...

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the network tells apart: the classes, or the parts of objects."""
        ...

    @property
    def normalization(self) -> IntensityRule:
        """Rule for intensities."""
        ...

    @property
    def patch_size(self) -> ZYX:
        """Size of the training patches, voxels."""
        ...

    @property
    def decision(self) -> Decision | None:
        """How probabilities become classes, where the training has chosen it."""
        ...


class TrainedModel(Protocol):
    """A network with its weights and its meaning."""

    @property
    def network(self) -> nn.Module:
        """The network with its weights."""
        ...

    @property
    def info(self) -> NetworkInfo:
        """Grid, receptive field and size of the network."""
        ...

    @property
    def spec(self) -> TrainedSpec:
        """Everything but the weights."""
        ...


class Runtime(Protocol):
    """An engine that runs a network."""

    @property
    def info(self) -> NetworkInfo:
        """Grid, receptive field and size of the network."""
        ...

    @property
    def max_voxels(self) -> int:
        """Voxels that are worth passing at once: more are no faster, or do not fit."""
        ...

    def __call__(self, batch: Array32, /) -> Array32:
        """Turn images (N, C, [Z], Y, X) into probabilities (N, K, [Z], Y, X).

        Raises
        ------
        OutOfMemory
            When a smaller batch might pass.
        """
        ...
