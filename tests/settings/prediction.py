"""What a setting of a prediction may change, and a value that changes it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from tests.devices import absent_device
from tests.inference.helpers import TinyModel, class_table, tiny_model
from tests.settings.table import Case

from napari_segtrain.config import DistancesTarget, InferenceConfig
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.image import Image
from napari_segtrain.inference import TorchRuntime, iter_prediction, runtime
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.inference.predictor import Prediction
from napari_segtrain.models import Decision
from napari_segtrain.workflows.running import run

CUDA = torch.device("cuda")
ABSENT = absent_device()
BASE = {"device": "cpu", "memory_limit": 1, "tile_size": [1, 32, 32]}
SPECS: dict[str, dict[str, Any]] = {
    "classes": {"decision": Decision((0.1, 0.3, 0.6)), "voxel_size": (0.2, 0.2)},
    "objects": {
        "classes": class_table(0, 1, is_objects=True),
        "objects": ObjectRecipe(
            DistancesTarget(steps=2), smoothing=(0, 0.5, 0.5), radius=4
        ),
    },
}


def model_of(name: str) -> TinyModel:
    """A model whose last output is as likely as the image is bright."""
    model = tiny_model(**SPECS[name])
    model.network = torch.nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        model.network.weight[:] = torch.tensor([0.0, 0, 1]).reshape(3, 1, 1, 1)
        model.network.bias[:] = torch.tensor([0.0, -9, 0])
    return model


def image() -> Image:
    """Bright blobs on a dark ground, some with holes."""
    noise = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    return Image(gaussian_filter(noise, 2) * 40, "YX", (0.1, 0.1))


def predicted(config: InferenceConfig, name: str) -> Prediction:
    return run(iter_prediction(model_of(name), image(), config), None)


def labels(config: InferenceConfig, name: str) -> object:
    """Label image."""
    return predicted(config, name).labels.array.tobytes()


def maps(config: InferenceConfig, name: str) -> object:
    """Type of the probability maps, if there are any."""
    found = predicted(config, name).probabilities
    return None if found is None else found.array.dtype


def uncertainty(config: InferenceConfig, name: str) -> object:
    """Whether a map of it is given."""
    return predicted(config, name).uncertainty is not None


def batches(config: InferenceConfig, name: str) -> object:
    """Sizes of the batches that the network is given."""
    seen = []
    call = TorchRuntime.__call__

    def note(self: TorchRuntime, batch: Any) -> Any:
        seen.append(batch.shape)
        return call(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TorchRuntime, "__call__", note)
        predicted(config, name)
    return seen


def device(config: InferenceConfig, name: str) -> object:
    """The device that is chosen."""
    return TorchRuntime.of_model(model_of(name), config)


def engine(config: InferenceConfig, name: str) -> object:
    """What runs the network."""
    events: list[object] = []
    run(iter_prediction(model_of(name), image(), config), events.append)
    return [event for event in events if isinstance(event, EngineChosen)]


def precision(config: InferenceConfig, name: str) -> object:
    """Type that a GPU computes with; here the processor stands for it."""
    seen: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "choose_device", lambda _: CUDA)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        for owner in (torch.nn.Module, torch.Tensor):
            patch.setattr(owner, "to", lambda self, *_, **__: self)
        patch.setattr(
            torch, "autocast", lambda *kind: seen.append(kind) or nullcontext()
        )
        made = TorchRuntime.of_model(model_of(name), config)
        made(np.zeros((1, 1, 8, 8), np.float32))
    return seen


TABLE: dict[str, Case] = {
    "tile_size": Case([1, 48, 48], batches, data="classes"),
    "halo": Case([0, 12, 12], batches, data="classes"),
    "overlap": Case(0.5, batches, data="classes"),
    "batch_size": Case(2, batches, data="classes"),
    "device": Case(ABSENT, device, data="classes", words=f"'{ABSENT}'.* only"),
    "memory_limit": Case(1e-4, batches, data="classes"),
    "engine": Case("openvino", engine, data="classes"),
    "amp": Case(False, precision, data="classes"),
    "rescale": Case(True, batches, data="classes"),
    "orientations": Case(2, batches, data="classes"),
    "uncertainty": Case("entropy", uncertainty, data="classes"),
    "weights": Case([1, 2], labels, data="classes", words="2 weights .* 1 model"),
    "decision": Case("argmax", labels, data="classes"),
    "objects.prominence": Case(0.2, labels, data="objects"),
    "objects.smoothing": Case(1, labels, data="objects"),
    "objects.min_voxels": Case(50, labels, data="objects"),
    "objects.fill_holes": Case(True, labels, data="objects"),
    "probabilities": Case("uint8", maps, data="classes"),
}
