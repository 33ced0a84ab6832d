"""How much context the tiles of a new model need, measured on its held-out images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_segtrain.boxes import box_shape
from napari_segtrain.config import InferenceConfig
from napari_segtrain.inference.calibration import (
    HaloErrors,
    blended_error,
    full_context,
    missing_context,
    plan_crop,
    plan_window,
)
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.runtime import TorchRuntime
from napari_segtrain.training.clock import CutShort

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.models import Model, TileCalibration
    from napari_segtrain.training.clock import Deadline
    from napari_segtrain.training.plan import TrainingPlan

_MAX_WINDOWS = 24
"""Parts of images that are compared, if there is time."""
_MAX_VOXELS = {True: 1 << 21, False: 1 << 23}
"""Voxels of all of them, on a processor and on a GPU."""
_WINDOW_SHARE = 0.25
"""Of these, of one part."""
_STEPS = (0.819, 0.671, 0.550)
"""Places are spread evenly along Z, Y, X (Roberts 2018)."""
_MAX_SECONDS = 3.0
"""A part of an image is not larger than what is predicted in so long, since a stop
waits for it."""
_BLENDED_PASSES = 5
"""Tiles that pass the network where they are blended: two or three, and all at once."""
_TIME_SHARE = 0.4
"""Of the time that is left: a part is predicted twice, and nothing is sure."""


class TileCalibrator:
    """Measures models on parts of the images of a training.

    Parameters
    ----------
    plan : TrainingPlan
        Held-out regions (or trained ones, when nothing is held out) and device.
    pairs, intensities
        Items and their normalization.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        pairs: Sequence[Pair],
        intensities: Sequence[Intensities],
    ) -> None:
        self._pairs = pairs
        self._intensities = intensities
        split = plan.facts.split
        self._regions = split.validation or split.training
        limit = plan.config.training.memory_limit
        self._config = InferenceConfig.model_validate(
            {"device": plan.machine.device, "memory_limit": limit, "amp": False}
        )
        self._max_voxels = _MAX_VOXELS[plan.machine.is_cpu]

    def move(self, device: torch.device) -> None:
        """Predict on another device from now on, as much as is affordable there."""
        self._config = self._config.model_copy(update={"device": device.type})
        self._max_voxels = _MAX_VOXELS[device.type == "cpu"]

    @property
    def n_voxels(self) -> int:
        """Voxels that are predicted when there is time enough."""
        return self._max_voxels

    def calibrate(
        self, model: Model, deadline: Deadline, voxels_per_second: float
    ) -> TileCalibration | None:
        """Measure a model, as well as the time that is left allows.

        Parameters
        ----------
        model : Model
            What is measured.
        deadline : Deadline
            Until when.
        voxels_per_second : float
            How fast the network predicts.

        Returns
        -------
        TileCalibration or None
            ``None`` when there is no time for any measurement, or the images are so
            small that they are not cut.
        """
        config = fitted_config(self._config, model)
        runtime = TorchRuntime.of_model(model, config)
        try:
            if model.info.is_local:
                return self._halo(runtime, deadline, voxels_per_second)
            return self._blended(runtime, config, deadline, voxels_per_second)
        except CutShort:
            return None

    def _halo(
        self, runtime: TorchRuntime, deadline: Deadline, voxels_per_second: float
    ) -> TileCalibration | None:
        """Compare parts at many places, since few of them show the greatest errors."""
        errors = HaloErrors(runtime.info)
        axes = [n for n, reach in enumerate(full_context(runtime.info)) if reach]
        n_left = self._max_voxels
        for number in range(_MAX_WINDOWS if axes else 0):
            deadline.check()
            pair, center = self._place(number)
            item, intensities = self._pairs[pair].image, self._intensities[pair]
            limit = min(n_left, self._affordable(deadline, voxels_per_second))
            axis = axes[number % len(axes)]
            window = plan_window(item.shape, center, runtime.info, axis, limit)
            if window is not None:
                n_left -= math.prod(box_shape(window.whole))
                found = missing_context(item, intensities, runtime, window)
                errors.add(found, window)
        return errors.choose()

    def _blended(
        self,
        runtime: TorchRuntime,
        config: InferenceConfig,
        deadline: Deadline,
        voxels_per_second: float,
    ) -> TileCalibration | None:
        pair, center = self._place(0)
        item, intensities = self._pairs[pair].image, self._intensities[pair]
        if config.tile_size == "auto":
            return None
        crop = plan_crop(item.shape, center, runtime.info, config.tile_size)
        n_passes = _BLENDED_PASSES * math.prod(config.tile_size)
        seconds = n_passes / voxels_per_second if voxels_per_second else 0.0
        if crop is None or seconds > _TIME_SHARE * deadline.seconds_left:
            return None
        return blended_error(item, intensities, runtime, config, crop, deadline.check)

    def _affordable(self, deadline: Deadline, voxels_per_second: float) -> int:
        """Voxels that the next part may have."""
        seconds = min(_MAX_SECONDS, _TIME_SHARE * deadline.seconds_left)
        affordable = seconds * (voxels_per_second or math.inf)
        return int(min(self._max_voxels * _WINDOW_SHARE, affordable))

    def _place(self, number: int) -> tuple[int, ZYX]:
        """Pair and a voxel of the held-out regions, which differ for each number."""
        region = self._regions[number % len(self._regions)]
        shares = ((number + 0.5) * step % 1 for step in _STEPS)
        z, y, x = (
            start + int(share * size)
            for start, share, size in zip(
                region.start, shares, region.shape, strict=True
            )
        )
        return region.pair, (z, y, x)
