"""How a model is applied."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.config.base import Auto, Config
from napari_segtrain.config.objects import PredictedObjectsConfig


class InferenceConfig(Config):
    """Tiles, device and what is written."""

    tile_size: tuple[PositiveInt, PositiveInt, PositiveInt] | Auto = "auto"
    """Tile in voxels along Z, Y, X, context included; rounded to the network's grid."""

    halo: (
        tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt] | Auto | Literal["exact"]
    ) = "auto"
    """Context read around each tile and thrown away, in voxels along Z, Y, X, or one
    number for all three. auto is what the training has measured to suffice (a
    difference of at most 1/255 to the prediction of a whole image); exact is all that
    the network sees."""

    overlap: Annotated[float, Field(ge=0, lt=1)] | Auto = "auto"
    """Share of a tile, without its halo, that is blended with its neighbour."""

    batch_size: PositiveInt | Auto = "auto"
    """Tiles that pass the network together."""

    device: Auto | Literal["cpu", "cuda", "mps"] = "auto"
    """Where the network computes."""

    engine: Auto | Literal["torch", "openvino", "onnx"] = "auto"
    """What computes on a processor; auto tries OpenVINO (or ONNX Runtime, where that is
    not installed or does not take the network) when there is enough to do that it pays,
    and takes the faster. GPUs have torch alone."""

    memory_limit: PositiveFloat | Auto = "auto"
    """Most memory that tiles are chosen for, in GB; auto is what is free."""

    amp: bool = True
    """Mixed precision, on CUDA only."""

    rescale: bool = False
    """Predict at the voxel size of the training, and bring the result back to that of
    the image. Tile size and halo are voxels of the network then. Networks for slices
    are given them with other Y and X only."""

    orientations: Literal[1, 2, 4, 8, 16, "all"] = 1
    """Test-time augmentation: mirrored and turned views of each tile whose predictions
    are averaged. 2 and 4 are mirrored, 8 are turned as well, 16 are upside down, too
    (volumes only); all are 8 of slices and 16 of volumes, as in CDeep3M. Takes as many
    times as long."""

    weights: tuple[PositiveFloat, ...] = ()
    """Of several models whose probabilities are averaged, one each; all count alike
    without it."""

    decision: Literal["tuned", "argmax"] = "tuned"
    """tuned: the thresholds, median and smallest parts that the training chose on its
    held-out data, if it chose any; argmax: always the most likely class."""

    objects: PredictedObjectsConfig = PredictedObjectsConfig()
    """For models of objects: what an object is, where not as the model has it."""

    probabilities: Literal["none", "uint8", "float32"] = "none"
    """Also give probability maps: 0-255 or 0-1."""

    uncertainty: Literal["none", "entropy", "deviation", "agreement"] = "none"
    """Also give a map of how sure the result is, as numbers of the probability maps
    (float32 without these, with nan where nothing was predicted). entropy: of the mean
    probabilities, 0 is sure and 1 all classes alike; deviation: greatest standard
    deviation of a probability over several models, or over the orientations and members
    of one; agreement: share of these that take the same class."""

    @field_validator("halo", mode="before")
    @classmethod
    def _along_all_axes(cls, value: Any) -> Any:
        """Let one number count along Z, Y and X."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return (value,) * len(SPATIAL_AXES) if is_number else value
