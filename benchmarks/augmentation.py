"""What each preset of augmentation costs, as a share of an iteration in 2D and 3D."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_segtrain.config import parse_experiment
from napari_segtrain.config.presets import PRESETS
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.machine import find_machine
from napari_segtrain.training.plan import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.data.batches import BatchSource

_ITERATIONS = {2: 60, 3: 20}
_REPEATS = 5
_SHAPES = {2: (1024, 1024), 3: (64, 256, 256)}
_N_THREADS = 2


def run() -> None:
    for dims, shape in _SHAPES.items():
        dataset = _dataset(shape)
        learners = {preset: _learner(dataset, dims, preset) for preset in PRESETS}
        steps, costs = _measure(learners, _ITERATIONS[dims])
        step = statistics.median(steps)
        print(f"{dims}D: an iteration without augmentation takes {1000 * step:.1f} ms")
        for preset, (changes, readings) in costs.items():
            reading = statistics.mean(readings) - statistics.mean(costs["none"][1])
            change = statistics.mean(changes)
            print(
                f"  {preset:8} {1000 * change:5.1f} ms ({100 * change / step:4.1f} %), "
                f"and {1000 * reading:4.1f} ms ({100 * reading / step:4.1f} %) in the "
                "thread that reads",
                flush=True,
            )


def _measure(
    learners: dict[str, Learner], n: int
) -> tuple[list[float], dict[str, tuple[list[float], list[float]]]]:
    """Seconds of iterations without augmentation, and of augmentation and reading.

    All presets take turns within each iteration. Since batches differ in what is done
    to them, costs are the mean over batches of the shortest of some repeats.
    """
    device = torch.device("cpu" if not torch.cuda.is_available() else "cuda")
    plain = learners["none"]
    steps: list[float] = []
    costs: dict[str, tuple[list[float], list[float]]] = {p: ([], []) for p in learners}
    for iteration in range(n):
        batch = plain.source.make(iteration)
        steps.append(_seconds(lambda batch=batch: plain.step(batch, 1e-3)))
        for preset, learner in learners.items():
            change, reading = _cost(learner.source, iteration, device)
            costs[preset][0].append(change)
            costs[preset][1].append(reading)
    return steps[n // 4 :], costs


def _cost(
    source: BatchSource, iteration: int, device: torch.device
) -> tuple[float, float]:
    batch = source.make(iteration)
    changes = [_seconds(lambda: source.augment(batch, device)) for _ in range(_REPEATS)]
    readings = [_seconds(lambda: source.make(iteration)) for _ in range(_REPEATS)]
    return min(changes), min(readings)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _learner(dataset: Dataset, dims: int, preset: str) -> Learner:
    config = parse_experiment(
        {
            "augmentation": {"preset": preset},
            "network": {"dims": dims},
            "training": {"n_threads": _N_THREADS},
            "validation": {"kind": "none"},
        },
        source="the benchmark",
    )
    machine = find_machine(config.training.device)
    return Learner(resolve(config, gather_facts(dataset, config), machine), dataset)


def _dataset(shape: tuple[int, ...]) -> Dataset:
    rng = np.random.default_rng(0)
    labels = (rng.random(shape) > 0.5).astype(np.uint8)
    image = (labels * 100 + rng.integers(0, 100, shape)).astype(np.uint8)
    axes, size = "ZYX"[-len(shape) :], (0.1,) * len(shape)
    sample = Sample(Image(image, axes, size), LabelImage(labels, axes, size))
    return Dataset((sample,))
