"""Several models of the same classes that answer together.

They may be of any architectures and dimensions, and each keeps its own tiles and its
own normalization: parts of an item are predicted by one after the other, and averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.boxes import absolute, box_shape, iter_blocks, nearest_first
from napari_segtrain.errors import ConfigError, ModelError
from napari_segtrain.inference.collecting import Cut, affordable_numbers, collected
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.rescaled_predictor import build_item_predictor
from napari_segtrain.inference.uncertainty import SpreadSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.image import Image, Item
    from napari_segtrain.inference.item_predictor import Predictor
    from napari_segtrain.inference.items import ItemEvents
    from napari_segtrain.inference.protocol import Array32, TrainedModel, TrainedSpec
    from napari_segtrain.inference.uncertainty import Spread


class Committee:
    """Predicts with the weighted mean of several models.

    Parameters
    ----------
    models : sequence of TrainedModel
        With the same classes; see `check_committee`.
    image : Image
        Whose items are predicted.
    config : InferenceConfig
        Of each of them, and their weights.
    control : RunControl, optional
        Stop and pause.
    n_voxels : int
        How much is to be predicted.
    cut : Cut, optional
        Into what it is cut; by the memory that is free without.
    spread : {"deviation", "agreement"}, optional
        How far the models differ, given with each block.

    Attributes
    ----------
    engines : tuple of EngineChosen
        What runs the networks, each once.
    """

    def __init__(
        self,
        models: Sequence[TrainedModel],
        image: Image,
        config: InferenceConfig,
        control: RunControl | None = None,
        n_voxels: int = 0,
        *,
        cut: Cut | None = None,
        spread: Spread | None = None,
    ) -> None:
        cut = cut or Cut(affordable_numbers(config))
        self._predictors = [
            build_item_predictor(
                model,
                image,
                cut.config_of(number, config),
                control,
                n_voxels,
                max_numbers=cut.max_numbers,
            )
            for number, model in enumerate(models)
        ]
        self._weights = config.weights or (1.0,) * len(models)
        self._spread: Spread | None = spread
        self._n_classes = len(models[0].spec.output_names)
        found = (engine for each in self._predictors for engine in each.engines)
        self.engines = tuple(dict.fromkeys(found))
        self._max_numbers = cut.max_numbers

    def predict(self, item: Item, box: Box, view: Box | None = None) -> ItemEvents:
        """Predict a box of an item of the image, with true context around it.

        Of parts that are as large as memory allows, those of a view come first.
        """
        limit = max(1, self._max_numbers // self._n_classes)
        parts = [absolute(p, box) for p in iter_blocks(box_shape(box), limit)]
        if view is not None:
            parts = [parts[place] for place in nearest_first(parts, view)]
        n_steps = len(parts) * len(self._predictors)
        for n_before, part in enumerate(parts):
            total = SpreadSum(self._spread)
            for number, predictor in enumerate(self._predictors):
                step = n_before * len(self._predictors) + number
                found = yield from collected(
                    predictor.predict(item, part),
                    part,
                    self._n_classes,
                    (step, n_steps),
                    1 / len(self._predictors),
                )
                if found is None:
                    return False
                total.add(found[None], self._weights[number])
            yield self._block(part, total.result()[0])
        return True

    def _block(self, part: Box, maps: Array32) -> BlockPredicted:
        if self._spread is None:
            return BlockPredicted(part, maps)
        return BlockPredicted(part, maps[: self._n_classes], maps[self._n_classes])


def make_predictor(
    models: Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    control: RunControl | None = None,
    n_voxels: int = 0,
    cut: Cut | None = None,
) -> Predictor:
    """Make what predicts with one model, or with the mean of several.

    Parameters
    ----------
    models : sequence of TrainedModel
        At least one.
    image : Image
        Whose items are predicted.
    config : InferenceConfig
        Tiles, device, and which map of uncertainty is wanted.
    control : RunControl, optional
        Stop and pause.
    n_voxels : int
        How much is to be predicted.
    cut : Cut, optional
        Into what it is cut; by the memory that is free without.

    Raises
    ------
    ModelError
        As in `check_committee`.
    ConfigError, DataError
        As of `build_item_predictor`.
    """
    check_committee(models, config)
    kind = config.uncertainty
    spread: Spread | None = None
    if kind in {"deviation", "agreement"}:
        spread = kind
    if len(models) == 1:
        max_numbers = None if cut is None else cut.max_numbers
        return build_item_predictor(
            models[0], image, config, control, n_voxels, spread, max_numbers
        )
    return Committee(models, image, config, control, n_voxels, cut=cut, spread=spread)


def check_committee(models: Sequence[TrainedModel], config: InferenceConfig) -> None:
    """Compare models that are to answer together.

    Raises
    ------
    ModelError
        When classes, or what is told apart of objects, differ.
    ConfigError
        When there are weights, but not one for each.
    """
    first = models[0].spec
    for number, model in enumerate(models[1:], start=2):
        spec = model.spec
        if (spec.classes.values, spec.output_names) != (
            first.classes.values,
            first.output_names,
        ):
            raise ModelError(
                f"Model {number} segments {_classes_text(spec)}, but the first one "
                f"{_classes_text(first)}; choose models of the same classes."
            )
    if len(config.weights) not in (0, len(models)):
        listed = ", ".join(f"{weight:g}" for weight in config.weights)
        models_text = "1 model" if len(models) == 1 else f"{len(models)} models"
        raise ConfigError(
            f"There are {len(config.weights)} weights ({listed}) for {models_text}; "
            "give one for each, or none."
        )


def _classes_text(spec: TrainedSpec) -> str:
    """Names with the label values, or the parts of objects."""
    if spec.classes.is_objects:
        return ", ".join(spec.output_names)
    return ", ".join(f"{row.name} ({row.value})" for row in spec.classes.classes)
