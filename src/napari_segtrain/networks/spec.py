"""What a network asks of its input, known before it is built."""

from __future__ import annotations

from dataclasses import dataclass

from napari_segtrain.axes import ZYX


@dataclass(frozen=True)
class Geometry:
    """How output voxels hang on input voxels; sizes are ZYX voxels, 1 along Z in 2D.

    Parameters
    ----------
    dims : int
        2 or 3 spatial dimensions of the input.
    grid : ZYX
        Total stride: inputs are multiples of it, and results repeat exactly when the
        input moves by a multiple of it.
    receptive_field : ZYX
        Width of the input that one output voxel may depend on, at the worst position
        on the grid; odd. An upper bound for networks whose reach is measured.
    min_size : ZYX
        Smallest input that the network can be trained on.
    is_local : bool
        Whether a result depends on nothing outside the receptive field; false with
        instance and group norm, and for transformers.
    margin : ZYX
        Voxels on each side of a training patch that get no logits.
    prediction_margin : ZYX
        Voxels on each side of a tile that get no logits; less than the margin where a
        network repeats slices beyond the first and the last.
    """

    dims: int
    grid: ZYX
    receptive_field: ZYX
    min_size: ZYX
    is_local: bool
    margin: ZYX = (0, 0, 0)
    prediction_margin: ZYX = (0, 0, 0)


@dataclass(frozen=True)
class NetworkInfo:
    """Facts about a network; sizes are ZYX voxels, with 1 along Z in 2D.

    Parameters
    ----------
    dims, grid, receptive_field, min_size, is_local, margin, prediction_margin
        As in `Geometry`.
    n_parameters : int
        Number of trained values.
    bytes_per_voxel : int
        Memory of a forward pass without gradients, per input voxel.
    in_channels, n_classes : int
        Channels of the image and of the logits.
    halo : ZYX, optional
        Context that was measured to suffice for these weights, on each side of a tile.
    """

    dims: int
    grid: ZYX
    receptive_field: ZYX
    min_size: ZYX
    is_local: bool
    n_parameters: int
    bytes_per_voxel: int
    in_channels: int
    n_classes: int
    margin: ZYX = (0, 0, 0)
    prediction_margin: ZYX = (0, 0, 0)
    halo: ZYX | None = None

    @property
    def radius(self) -> ZYX:
        """Context in voxels that an output voxel needs on each side."""
        z, y, x = (width // 2 for width in self.receptive_field)
        return z, y, x

    @property
    def is_of_slices(self) -> bool:
        """Whether it looks at a slice with its neighbors to segment it."""
        return self.margin != self.prediction_margin

    @property
    def min_result(self) -> ZYX:
        """Voxels that get logits in the smallest tile."""
        sizes = zip(self.min_size, self.prediction_margin, strict=True)
        z, y, x = (size - 2 * margin for size, margin in sizes)
        return z, y, x
