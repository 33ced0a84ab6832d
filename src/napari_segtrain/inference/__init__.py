"""A network and an image: probability maps and labels."""

from napari_segtrain.inference.events import BlockPredicted, ItemPredicted, TileDone
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
