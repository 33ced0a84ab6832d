"""A small task that a small network learns in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segtrain.config import ExperimentConfig, parse_experiment
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.image import Image, LabelImage

SKEWED = {"class_weights": [1, 12]}
"""Loss that makes a network find too much, which a threshold mends."""


def disks(
    shape: tuple[int, ...], seed: int, n_disks: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image of bright balls and dark noise, and its labels (1 = ball)."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    labels = np.zeros(shape, np.uint8)
    for _ in range(n_disks):
        center = [rng.integers(0, n) for n in shape]
        distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)))
        labels[distance < rng.integers(5, 10)] = 1
    image = 100 * labels + rng.normal(100, 25, shape)
    return image.clip(0, 255).astype(np.uint8), labels


def make_dataset(n: int = 5, shape: tuple[int, ...] = (96, 96)) -> Dataset:
    """Data set in memory."""
    samples = []
    for seed in range(n):
        image, labels = disks(shape, seed)
        axes = "ZYX"[-len(shape) :]
        samples.append(
            make_sample(
                Image(image, axes, name=f"disks {seed}"),
                LabelImage(labels, axes, name=f"disks {seed}"),
            )
        )
    return Dataset(tuple(samples))


def make_config(**sections: Any) -> ExperimentConfig:
    """Config of a tiny network; sections are merged over it."""
    values: dict[str, Any] = {
        "network": {"depth": 2, "first_filters": 8, "dims": 2},
        "sampling": {"patch_size": [1, 48, 48], "batch_size": 4},
        "training": {"length": {"kind": "iterations", "iterations": 40}},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return parse_experiment(values, source="the test")
