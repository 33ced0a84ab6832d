"""A model that is applied to items of an image, or to boxes of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Protocol

from torch import nn

from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError
from napari_segtrain.inference.engines import choose_engine
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.items import predict_item
from napari_segtrain.inference.orientations import choose_orientations
from napari_segtrain.inference.protocol import TrainedSpec
from napari_segtrain.inference.tile_settings import check_halo
from napari_segtrain.inference.views import ViewsRuntime
from napari_segtrain.networks import NetworkInfo
from napari_segtrain.networks.ensemble import Ensemble

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import Item
    from napari_segtrain.inference.events import EngineChosen
    from napari_segtrain.inference.items import ItemEvents
    from napari_segtrain.inference.protocol import Intensities, Runtime, TrainedModel
    from napari_segtrain.inference.uncertainty import Spread


class Predictor(Protocol):
    """What predicts boxes of items."""

    @property
    def engines(self) -> tuple[EngineChosen, ...]:
        """What runs the networks, each once."""
        ...

    def predict(self, item: Item, box: Box, view: Box | None = None) -> ItemEvents:
        """Predict a box of an item of the image; what a view shows comes first."""
        ...


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
    spread : {"deviation", "agreement"}, optional
        How far orientations and members of the model differ, given with each block.

    Attributes
    ----------
    engines : tuple of EngineChosen
        What runs the network, or its members.

    Raises
    ------
    ConfigError
        When tile and halo do not fit, the device is not there, or the network has no
        exact halo or cannot see the image in the orientations asked for, or a spread is
        asked for of a single view.
    """

    def __init__(
        self,
        model: TrainedModel,
        config: InferenceConfig,
        control: RunControl | None = None,
        n_voxels: int = 0,
        spread: Spread | None = None,
    ) -> None:
        self._config = fitted_config(config, model)
        self._control = control or RunControl()
        self._normalization = model.spec.normalization
        check_halo(model.info, config)
        orientations = choose_orientations(config.orientations, model.info)
        members = [model] if spread is None else _members(model)
        if spread is not None and len(members) * len(orientations) == 1:
            raise ConfigError(
                f"There is no {spread} of a single prediction; set orientations to 2 "
                "or more, give several models, or set uncertainty to entropy."
            )
        n_passes = n_voxels * len(orientations)
        chosen = [
            choose_engine(each, self._config, n_passes, control) for each in members
        ]
        self.engines = tuple(dict.fromkeys(engine for _, engine in chosen))
        views = list(product((runtime for runtime, _ in chosen), orientations))
        self._has_spread = spread is not None
        self._runtime: Runtime = views[0][0]
        if len(views) > 1:
            self._runtime = ViewsRuntime(views, spread)
        self._prepared: dict[tuple[int, ...], tuple[Item, Intensities]] = {}

    def predict(self, item: Item, box: Box, view: Box | None = None) -> ItemEvents:
        """Predict a box of an item of the image; see `predict_item`."""
        prepared, intensities = self._prepare(item)
        return predict_item(
            prepared,
            runtime=self._runtime,
            intensities=intensities,
            config=self._config,
            box=box,
            view=view,
            control=self._control,
            has_spread=self._has_spread,
        )

    def _prepare(self, item: Item) -> tuple[Item, Intensities]:
        """Measure an item once for all its boxes."""
        key = item_key(item.index)
        if key not in self._prepared:
            self._prepared[key] = self._normalization.prepare(item)
        return self._prepared[key]


@dataclass(frozen=True)
class _Member:
    """One network of a model that averages several."""

    network: nn.Module
    info: NetworkInfo
    spec: TrainedSpec


def _members(model: TrainedModel) -> list[TrainedModel]:
    """Networks of a model, each by itself."""
    if not isinstance(model.network, Ensemble):
        return [model]
    return [_Member(each, model.info, model.spec) for each in model.network.members]


def item_key(index: dict[str, int]) -> tuple[int, ...]:
    """Position of an item, to look it up by."""
    return tuple(index[axis] for axis in sorted(index))
