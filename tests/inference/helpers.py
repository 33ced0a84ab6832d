"""A small trained model, without the files of one."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from napari_segtrain.config import UNetConfig
from napari_segtrain.data.object_recipe import ObjectRecipe, output_names
from napari_segtrain.image import ClassInfo, ClassTable, Item
from napari_segtrain.inference import TorchRuntime
from napari_segtrain.models import Decision
from napari_segtrain.networks import NetworkInfo, build_network, describe_network

CPU = torch.device("cpu")


def class_table(*values, is_objects=False):
    rows = [
        ClassInfo(value, f"class {value}", "#ffffff", "class" if n else "background")
        for n, value in enumerate(values)
    ]
    return ClassTable(tuple(rows), is_objects=is_objects)


class Halved:
    """Intensities that are divided by two."""

    reach = (0, 0, 0)

    def apply(self, block, _box=None, /):
        return block.astype(np.float32) / 2

    def prepare(self, item: Item, /):
        return item, self


@dataclass
class Spec:
    n_channels: int = 1
    channel_names: tuple[str, ...] = ()
    voxel_size: tuple[float, ...] | None = None
    classes: ClassTable = field(default_factory=lambda: class_table(0, 7, 300))
    normalization: Halved = field(default_factory=Halved)
    patch_size: tuple[int, int, int] = (1, 32, 32)
    decision: Decision | None = None
    objects: ObjectRecipe | None = None

    @property
    def output_names(self):
        return output_names(self.classes, self.objects)


@dataclass
class TinyModel:
    network: nn.Module
    info: NetworkInfo
    spec: Spec


def tiny_model(dims=2, *, depth=1, norm="batch", padding="same", seed=0, **spec):
    """A network with random weights and plausible running statistics."""
    facts = Spec(**spec)
    config = UNetConfig(
        stem=1, dims=dims, depth=depth, first_filters=4, norm=norm, padding=padding
    )
    sizes = {"in_channels": facts.n_channels, "n_classes": len(facts.output_names)}
    network = build_network(config, seed=seed, **sizes)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        image = torch.rand(2, facts.n_channels, *[24] * dims, generator=generator)
        network(image)
    return TinyModel(network.eval(), describe_network(config, **sizes), facts)


def runtime_of(model):
    return TorchRuntime(model.network, model.info, device=CPU, amp=False)


def whole_image(model, image):
    """Probabilities (K, Z, Y, X) in one pass, the image (C, Z, Y, X) reflected."""
    grid = model.info.grid
    shape = image.shape[1:]
    widths = zip(shape, grid, model.info.prediction_margin, strict=True)
    pads = [(margin, -n % step + margin) for n, step, margin in widths]
    batch = torch.from_numpy(np.pad(image / 2, [(0, 0), *pads], mode="reflect"))
    with torch.inference_mode():
        if model.info.dims == 2:
            result = model.network(batch.transpose(0, 1)).softmax(1).transpose(0, 1)
        else:
            result = model.network(batch[None]).softmax(1)[0]
    return result[(slice(None), *map(slice, shape))].numpy()


def finish(events, on_event=None):
    """Exhaust a generator; return its events and its result."""
    seen = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return seen, end.value
        seen.append(event)
        if on_event:
            on_event(event)
