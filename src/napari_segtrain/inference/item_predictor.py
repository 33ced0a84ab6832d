"""A model that is applied to items of an image, or to boxes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.control import RunControl
from napari_segtrain.inference.engines import choose_engine
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.items import predict_item
from napari_segtrain.inference.orientations import OrientedRuntime, choose_orientations
from napari_segtrain.inference.tile_settings import check_halo

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import Item
    from napari_segtrain.inference.items import ItemEvents
    from napari_segtrain.inference.protocol import Intensities, TrainedModel


class ItemPredictor:
    """What all predictions with a model share: runtime, settings, normalization.

    Parameters
    ----------
    model : TrainedModel
        What is applied.
    config : InferenceConfig
        Tiles and device.
    control : RunControl, optional
        Stop and pause.
    n_voxels : int
        How much is to be predicted, which tells whether a faster engine pays.

    Attributes
    ----------
    engine : EngineChosen
        What runs the network.

    Raises
    ------
    ConfigError
        When tile and halo do not fit, the device is not there, or the network has no
        exact halo or cannot see the image in the orientations asked for.
    """

    def __init__(
        self,
        model: TrainedModel,
        config: InferenceConfig,
        control: RunControl | None = None,
        n_voxels: int = 0,
    ) -> None:
        self._config = fitted_config(config, model)
        self._control = control or RunControl()
        self._normalization = model.spec.normalization
        check_halo(model.info, config)
        orientations = choose_orientations(config.orientations, model.info)
        n_passes = n_voxels * len(orientations)
        self._runtime, self.engine = choose_engine(model, self._config, n_passes)
        if len(orientations) > 1:
            self._runtime = OrientedRuntime(self._runtime, orientations)
        self._prepared: dict[tuple[int, ...], tuple[Item, Intensities]] = {}

    def predict(self, item: Item, box: Box) -> ItemEvents:
        """Predict a box of an item of the image; see `predict_item`."""
        prepared, intensities = self._prepare(item)
        return predict_item(
            prepared,
            runtime=self._runtime,
            intensities=intensities,
            config=self._config,
            box=box,
            control=self._control,
        )

    def _prepare(self, item: Item) -> tuple[Item, Intensities]:
        """Measure an item once for all its boxes."""
        key = item_key(item.index)
        if key not in self._prepared:
            self._prepared[key] = self._normalization.prepare(item)
        return self._prepared[key]


def item_key(index: dict[str, int]) -> tuple[int, ...]:
    """Position of an item, to look it up by."""
    return tuple(index[axis] for axis in sorted(index))
