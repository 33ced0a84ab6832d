"""Predictions in tiles against MONAI's sliding window, with the same weights.

A network is trained for a short time on a bundled sample, and predicts the sample
repeated to a large image: with our tiles and engine, by MONAI (eager torch), and by
our engine in MONAI's windows. All give the most likely class of each voxel; nothing is
cleaned. Errors are differences of probabilities to one pass over a whole, smaller image
that is not of the training.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from benchmarks.commands import forget_peak, peak_bytes, scratch
from napari_segtrain import load_model, train
from napari_segtrain.config import InferenceConfig
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.image import Image
from napari_segtrain.inference import Prediction, iter_prediction
from napari_segtrain.inference.engines import choice
from napari_segtrain.inference.reading import read_tile
from napari_segtrain.io import read_image
from napari_segtrain.workflows.running import run as finish

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.inference.protocol import Array32
    from napari_segtrain.models import Model

_OVERLAP = 0.25
_MEMORY_GB = 2.0
_REPEATS = 3


@dataclass(frozen=True)
class _Case:
    """A sample, the network, the images and what is to be reached."""

    sample: str
    network: dict[str, Any]
    iterations: int
    shape: tuple[int, int, int]
    crop: tuple[int, int, int]
    window: tuple[int, ...]
    least: float
    most_overhead: float


_VOLUME = _Case(
    "embryo",
    {"dims": 3, "depth": 2, "first_filters": 8, "flat_levels": 0, "norm": "batch"},
    60,
    (256, 512, 512),
    (96, 256, 256),
    (96, 96, 96),
    6.0,
    0.10,
)
_CASES = {
    "2D": _Case(
        "axons",
        {"dims": 2},
        200,
        (1, 4096, 4096),
        (1, 1536, 1536),
        (512, 512),
        1.7,
        0.15,
    ),
    "3D": _VOLUME,
    "3D, the default": replace(_VOLUME, network={"dims": 3}),
}


def run(names: tuple[str, ...] = tuple(_CASES)) -> None:
    with scratch() as folder:
        for name in names:
            _compare(name, _CASES[name], folder / name)


def _compare(name: str, case: _Case, folder: Path) -> None:
    data = sample_dir(case.sample) / "train"
    train(
        data / "image", data / "label", output=folder, iterations=case.iterations,
        network=case.network,
    )  # fmt: skip
    model = load_model(folder)
    words = model.spec.calibration.words() if model.spec.calibration else "no halo"
    print(
        f"{name}: {model.spec.network!r}, {model.info.n_parameters:,} parameters, "
        f"{words}",
        flush=True,
    )
    other = data.parent / "test"
    _report_errors(model, _repeated(_first_image(other), case.crop), case)
    _report_speed(model, _repeated(_first_image(data), case.shape), case)


def _first_image(folder: Path) -> Image:
    return read_image(min((folder / "image").iterdir()))


def _repeated(image: Image, shape: tuple[int, int, int]) -> Image:
    """The image, mirrored at its borders as often as needed."""
    block = image.items()[0].read()
    pads = [(0, max(0, n - m)) for n, m in zip(shape, block.shape[1:], strict=True)]
    padded = np.pad(block, [(0, 0), *pads], mode="symmetric")
    part = padded[:, : shape[0], : shape[1], : shape[2]]
    if shape[0] == 1:
        return Image(part[:, 0], "CYX", channel_names=image.channel_names)
    return Image(part, "CZYX", channel_names=image.channel_names)


def _config(**settings: Any) -> InferenceConfig:
    return InferenceConfig(
        device="cpu",
        engine="openvino",
        memory_limit=_MEMORY_GB,
        decision="argmax",
        **settings,
    )


def _ours(model: Model, image: Image, config: InferenceConfig) -> Prediction:
    result: Prediction = finish(iter_prediction(model, image, config), None)
    return result


def _normalized(model: Model, image: Image) -> torch.Tensor:
    """A batch of one, as the network takes it."""
    item, intensities = model.spec.normalization.prepare(image.items()[0])
    z, y, x = item.shape
    block = read_tile(item, (slice(0, z), slice(0, y), slice(0, x)), intensities)
    return torch.from_numpy(block[None] if z > 1 else block[None, :, 0])


def _monai(batch: torch.Tensor, window: tuple[int, ...], predictor: Any) -> Any:
    """Probabilities (1, K, ...) as a tensor."""
    with torch.inference_mode():
        return sliding_window_inference(
            batch, window, 1, predictor, overlap=_OVERLAP, mode="gaussian"
        )


def _monai_classes(
    batch: torch.Tensor, window: tuple[int, ...], predictor: Any
) -> torch.Tensor:
    with torch.inference_mode():
        return _monai(batch, window, predictor).argmax(dim=1).to(torch.uint8)


def _eager(model: Model) -> Any:
    return lambda part: model.network(part).softmax(dim=1)


def _report_errors(model: Model, image: Image, case: _Case) -> None:
    batch = _normalized(model, image)
    with torch.inference_mode():
        whole = model.network(batch).softmax(dim=1)[0].numpy()
    sizes = case.crop if len(case.window) == 3 else case.crop[1:]
    tile = tuple(min(n, 128 if len(sizes) == 3 else 768) for n in case.crop)
    config = _config(tile_size=tile, probabilities="float32")
    ours = np.asarray(_ours(model, image, config).probabilities.array)
    theirs = _monai(batch, case.window, _eager(model))[0].numpy()
    for who, found in (("ours", ours), ("MONAI", theirs)):
        error = np.abs(found - whole)
        print(
            f"  error to one pass over {sizes}, {who}: 99.9th percentile "
            f"{np.percentile(error, 99.9):.5f}, greatest {error.max():.4f}",
            flush=True,
        )


def _report_speed(model: Model, image: Image, case: _Case) -> None:
    config = _config()
    runtime = _Timed(choice.RUNTIMES["openvino"](model, config))
    seconds: dict[str, list[float]] = {"ours": [], "MONAI": [], "windows": []}
    shares, rss = [], 0.0
    batch = _normalized(model, image)
    for _ in range(_REPEATS):
        forget_peak()
        with runtime.installed():
            seconds["ours"].append(_seconds(lambda: _ours(model, image, config)))
        shares.append(1 - runtime.take() / seconds["ours"][-1])
        rss = max(rss, peak_bytes() / 1e9)
        seconds["MONAI"].append(
            _seconds(lambda: _monai_classes(batch, case.window, _eager(model)))
        )
        seconds["windows"].append(
            _seconds(lambda: _monai_classes(batch, case.window, runtime.of_tensor))
        )
        runtime.take()
    ours = statistics.median(seconds["ours"])
    n_voxels = np.prod(case.shape)
    print(
        f"  {case.shape}: {ours:.1f} s, {n_voxels / ours / 1e6:.2f} Mvoxel/s, peak RSS "
        f"{rss:.2f} GB with torch, the image and the result"
    )
    pairs = zip(seconds["ours"], seconds["MONAI"], seconds["windows"], strict=True)
    ratios = np.median([(m / o, w / o) for o, m, w in pairs], axis=0)
    share = statistics.median(shares)
    print(
        f"  {ratios[0]:.2f} times as fast as MONAI (aim {case.least}), {ratios[1]:.2f} "
        f"times as fast as our engine in MONAI's windows; {100 * share:.1f} % beyond "
        f"the network's calls (aim {100 * case.most_overhead:.0f} %)",
        flush=True,
    )


class _Timed:
    """An engine whose seconds are added up."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._seconds = 0.0
        self.info, self.max_voxels = runtime.info, runtime.max_voxels

    def __call__(self, batch: Array32) -> Array32:
        start = time.perf_counter()
        result = self._runtime(batch)
        self._seconds += time.perf_counter() - start
        return result

    def of_tensor(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self(batch.numpy()))

    def take(self) -> float:
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def installed(self) -> Any:
        """Let predictions use it."""
        from unittest.mock import patch

        return patch.dict(choice.RUNTIMES, {"openvino": lambda *_: self})


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
