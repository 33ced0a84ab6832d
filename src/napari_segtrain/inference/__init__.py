"""A network and an image: probability maps and labels.

Names are loaded when they are first used, so that what needs no torch loads none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segtrain.inference.events import (
        BlockPredicted,
        ItemPredicted,
        TileDone,
    )
    from napari_segtrain.inference.items import predict_classes, predict_item
    from napari_segtrain.inference.predictor import Prediction, iter_prediction
    from napari_segtrain.inference.protocol import Runtime, TrainedModel
    from napari_segtrain.inference.runtime import OutOfMemory, TorchRuntime

__all__ = [
    "BlockPredicted",
    "ItemPredicted",
    "OutOfMemory",
    "Prediction",
    "Runtime",
    "TileDone",
    "TorchRuntime",
    "TrainedModel",
    "iter_prediction",
    "predict_classes",
    "predict_item",
]

_HOME = {
    "BlockPredicted": "events",
    "ItemPredicted": "events",
    "OutOfMemory": "runtime",
    "Prediction": "predictor",
    "Runtime": "protocol",
    "TileDone": "events",
    "TorchRuntime": "runtime",
    "TrainedModel": "protocol",
    "iter_prediction": "predictor",
    "predict_classes": "items",
    "predict_item": "items",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
