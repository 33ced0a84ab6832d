"""How much context the tiles of a new model need, measured on its held-out images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.config import InferenceConfig
from napari_segtrain.inference.calibration import (
    HaloErrors,
    blended_error,
    missing_context,
    plan_crop,
    plan_window,
)
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.runtime import TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.inference.calibration import Window
    from napari_segtrain.inference.protocol import Array32
    from napari_segtrain.models import Model, TileCalibration
    from napari_segtrain.training.clock import Deadline
    from napari_segtrain.training.plan import TrainingPlan

_N_WINDOWS = {True: 3, False: 2}
"""Parts of images that are compared, of slices and of volumes."""
_MAX_VOXELS = {True: 1 << 20, False: 1 << 23}
"""Voxels that are read, on a processor and on a GPU."""
_MAX_SECONDS = 3.0
"""A part of an image is not larger than what is predicted in so long, since a stop
waits for it."""
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
        self._places = _places(plan, _N_WINDOWS[plan.is_2d])
        limit = plan.config.training.memory_limit
        self._config = InferenceConfig.model_validate(
            {"device": plan.machine.device, "memory_limit": limit}
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
        if not model.info.is_local:
            return self._blended(runtime, config, deadline, voxels_per_second)
        errors = HaloErrors(model.info)
        for number, (pair, center) in enumerate(self._places):
            n_left = len(self._places) - number
            limit = self._affordable(deadline, voxels_per_second, n_left)
            item = self._pairs[pair].image
            window = plan_window(item.shape, center, model.info, limit)
            if window is not None:
                errors.add(self._difference(pair, runtime, window), window)
        return errors.choose()

    def _difference(self, pair: int, runtime: TorchRuntime, window: Window) -> Array32:
        item, intensities = self._pairs[pair].image, self._intensities[pair]
        return missing_context(item, intensities, runtime, window)

    def _blended(
        self,
        runtime: TorchRuntime,
        config: InferenceConfig,
        deadline: Deadline,
        voxels_per_second: float,
    ) -> TileCalibration | None:
        pair, center = self._places[len(self._places) // 2]
        limit = self._affordable(deadline, voxels_per_second, 1)
        item, intensities = self._pairs[pair].image, self._intensities[pair]
        crop = plan_crop(item.shape, center, runtime.info, limit)
        if crop is None:
            return None
        return blended_error(item, intensities, runtime, config, crop)

    def _affordable(
        self, deadline: Deadline, voxels_per_second: float, n_left: int
    ) -> int:
        """Voxels that the next part may have."""
        if deadline.is_over():
            return 0
        seconds = min(_MAX_SECONDS, _TIME_SHARE * deadline.seconds_left / n_left)
        most = self._max_voxels / len(self._places)
        return int(min(most, seconds * (voxels_per_second or math.inf)))


def _places(plan: TrainingPlan, n_places: int) -> list[tuple[int, ZYX]]:
    """Pair and center of parts that are spread over the held-out regions."""
    split = plan.facts.split
    regions = split.validation or split.training
    chosen = np.unique(np.linspace(0, len(regions) - 1, n_places).round().astype(int))
    n_each = -(-n_places // len(chosen))
    places = []
    for number in chosen:
        region = regions[int(number)]
        z, y, x = region.start
        depth, height, width = region.shape
        for place in range(n_each):
            slice_ = z + int(depth * (place + 0.5) / n_each)
            places.append((region.pair, (slice_, y + height // 2, x + width // 2)))
    return places[:n_places]
