"""What the loop costs beyond forward, backward and optimizer, in 2D and 3D."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.commands import scratch
from napari_segtrain.config import parse_experiment
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training import learner as learner_module
from napari_segtrain.training import loop as loop_module
from napari_segtrain.training.events import IterationEnd
from napari_segtrain.workflows.training import iter_training_run

if TYPE_CHECKING:
    from pathlib import Path

_ITERATIONS = 60
_WARM_UP = 15


def run() -> None:
    for name, shape in (("2D", (1024, 1024)), ("3D", (64, 160, 160))):
        inside, total = _measure(shape)
        overhead = statistics.median(total) / statistics.median(inside) - 1
        print(
            f"{name}: iteration {1000 * statistics.median(total):.1f} ms, of these "
            f"{1000 * statistics.median(inside):.1f} ms in forward, backward and "
            f"optimizer; overhead {100 * overhead:.1f} %",
            flush=True,
        )


def _measure(shape: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """Seconds inside `train_step`, and from one iteration to the next."""
    inside: list[float] = []
    ends: list[float] = []
    real_step = learner_module.train_step

    def timed_step(*arguments: Any, **options: Any) -> float:
        start = time.perf_counter()
        loss = real_step(*arguments, **options)
        inside.append(time.perf_counter() - start)
        return loss

    learner_module.train_step = timed_step
    loop_module._EVENT_SECONDS = 0.0  # noqa: SLF001 - an event per step
    try:
        with scratch() as folder:
            ends.extend(
                time.perf_counter()
                for event in _events(shape, folder)
                if isinstance(event, IterationEnd)
            )
    finally:
        learner_module.train_step = real_step
    return inside[_WARM_UP:], list(np.diff(ends))[_WARM_UP - 1 :]


def _events(shape: tuple[int, ...], folder: Path) -> Any:
    rng = np.random.default_rng(0)
    labels = (rng.random(shape) > 0.5).astype(np.uint8)
    image = (labels * 100 + rng.integers(0, 100, shape)).astype(np.uint8)
    axes = "ZYX"[-len(shape) :]
    dataset = Dataset((Sample(Image(image, axes), LabelImage(labels, axes)),))
    config = parse_experiment(
        {
            "training": {"length": {"kind": "iterations", "iterations": _ITERATIONS}},
            "validation": {"kind": "none"},
            "network": {"dims": len(shape)},
        },
        source="the benchmark",
    )
    return iter_training_run(dataset, config, folder / "run")
