"""How an image differs from what a model was trained on, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import VoxelSize, format_voxel_size
from napari_segtrain.data.seen_intensities import (
    SAMPLE_VOXELS,
    distance,
    normalized,
    quantiles,
    sample_slices,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.data.normalize import Normalization
    from napari_segtrain.data.seen_intensities import SeenIntensities
    from napari_segtrain.image import Image

MAX_RATIO = 1.5
"""Between voxel sizes in training and prediction that goes without a remark."""

_SHOWN = (1, 3, 5)
"""Places of 5, 50 and 95 % among the levels."""
_N_ITEMS = 4
"""Of an image with items, from which voxels are taken."""


class TrainedOn(Protocol):
    """What a model, or what is known of it without loading it, says of its training."""

    @property
    def dims(self) -> int | None:
        """2 for networks of slices, 3 for those of volumes."""
        ...

    @property
    def voxel_size(self) -> VoxelSize | None:
        """µm ZYX."""
        ...

    @property
    def channel_names(self) -> tuple[str, ...]:
        """May be empty."""
        ...

    @property
    def normalization(self) -> Normalization | None:
        """Rule for intensities."""
        ...

    @property
    def intensities(self) -> SeenIntensities | None:
        """Of the training set; older models do not say."""
        ...


@dataclass(frozen=True)
class Difference:
    """Something in which an image is unlike the training data.

    Parameters
    ----------
    kind : {"voxel size", "intensities", "channels"}
        What differs.
    text : str
        A sentence with what was measured.
    remedy : {"rescale", ""}
        Setting of `InferenceConfig` that helps, if there is one.
    """

    kind: Literal["voxel size", "intensities", "channels"]
    text: str
    remedy: Literal["rescale", ""] = ""


def sample_image(image: Image) -> npt.NDArray[Any]:
    """Read a few slices of an image for `differences_from_training`.

    Parameters
    ----------
    image : Image
        Read lazily; about a million voxels per channel at most.

    Returns
    -------
    ndarray, shape (C, N, Y, X)
        Slices, or bands of them, of up to four items.
    """
    items = image.items()
    chosen = np.linspace(0, len(items) - 1, min(len(items), _N_ITEMS)).round()
    budget = SAMPLE_VOXELS // len(chosen)
    parts = [sample_slices(items[n], None, budget) for n in chosen.astype(int)]
    return np.concatenate(parts, axis=1)


def differences_from_training(
    trained: TrainedOn, image: Image, sample: npt.NDArray[Any] | None = None
) -> list[Difference]:
    """Compare an image with the training data of a model.

    Parameters
    ----------
    trained : TrainedOn
        A `ModelSpec` or a `RunInfo`.
    image : Image
        That fits the model; see `check_fit`.
    sample : ndarray, shape (C, N, Y, X), optional
        From `sample_image`; intensities are not compared without it.

    Returns
    -------
    list of Difference
        Voxel size, intensities, channels; empty where the image is as those of the
        training, or nothing is known.
    """
    found = [_voxel_size(trained, image), _channels(trained, image)]
    if sample is not None:
        found.insert(1, _intensities(trained, image, sample))
    return [each for each in found if each is not None]


def remarks(
    trained: Sequence[TrainedOn], image: Image, config: InferenceConfig
) -> list[str]:
    """Sentences about what a prediction does not mend; see `differences_from_training`.

    Parameters
    ----------
    trained : sequence of TrainedOn
        Of each model.
    image : Image
        That fits the models; a few slices are read.
    config : InferenceConfig
        Whether it is rescaled.
    """
    sample = sample_image(image)
    found = [
        difference.text
        for each in trained
        for difference in differences_from_training(each, image, sample)
        if not (config.rescale and difference.remedy == "rescale")
    ]
    return list(dict.fromkeys(found))


def _voxel_size(trained: TrainedOn, image: Image) -> Difference | None:
    ours, theirs = image.voxel_size, trained.voxel_size
    if ours is None or theirs is None:
        return None
    n = trained.dims or len(ours)  # what lies between slices is nothing to a 2D network
    pairs = zip(reversed(ours[-n:]), reversed(theirs[-n:]), strict=False)
    if all(max(a / b, b / a) <= MAX_RATIO for a, b in pairs):
        return None
    return Difference(
        "voxel size",
        f"The voxels of {image.name} are {format_voxel_size(ours)}, but the model was "
        f"trained on {format_voxel_size(theirs)}: it may miss what looks larger or "
        "smaller here; rescaling (rescale) shows it the image at the voxel size of its "
        "training.",
        "rescale",
    )


def _channels(trained: TrainedOn, image: Image) -> Difference | None:
    ours, theirs = image.channel_names, trained.channel_names
    first, second = ([n.strip().casefold() for n in names] for names in (ours, theirs))
    if first == second or sorted(first) != sorted(second):
        return None
    return Difference(
        "channels",
        f"The channels of {image.name} are {', '.join(ours)}, but the model was "
        f"trained on {', '.join(theirs)}: give them in that order.",
    )


def _intensities(
    trained: TrainedOn, image: Image, sample: npt.NDArray[Any]
) -> Difference | None:
    rule, seen = trained.normalization, trained.intensities
    if rule is None or seen is None or not np.isfinite(sample).all():
        return None
    found = quantiles(normalized(rule, sample))
    if len(found) != len(seen.spread):
        return None
    far = distance(seen, found)
    worst = int(far.argmax())
    if far[worst] <= seen.tolerance:
        return None
    names = image.channel_names or trained.channel_names
    return Difference(
        "intensities",
        f"The intensities of {image.name}{_channel(worst, len(far), names)} are "
        f"unlike those of the training, by {far[worst]:.2f} of their range (up to "
        f"{seen.tolerance:.2f} is usual): normalized, 5, 50 and 95 % of the voxels are "
        f"below {_listed([f'{found[worst][n]:.2g}' for n in _SHOWN])}, in training "
        f"below {_listed(_ranges(seen, worst))}; check that contrast (bright on dark, "
        "or dark on bright), bit depth and channels are those of the training.",
    )


def _channel(index: int, n_channels: int, names: tuple[str, ...]) -> str:
    if n_channels == 1:
        return ""
    name = f" ({names[index]})" if names else ""
    return f" in channel {index + 1}{name}"


def _ranges(seen: SeenIntensities, channel: int) -> list[str]:
    pairs = zip(seen.low[channel], seen.high[channel], strict=True)
    texts = [f"{low:.2g} to {high:.2g}" for low, high in pairs]
    return [texts[n] for n in _SHOWN]


def _listed(texts: list[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}"
