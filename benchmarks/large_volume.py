"""A Zarr volume of 8 GB, mostly fill values: peak memory of training and prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import zarr

from benchmarks.commands import peak_rss_gb, scratch, segtrain

if TYPE_CHECKING:
    from pathlib import Path

_SHAPE = (512, 4096, 4096)
_PAINTED = range(250, 262)


def run() -> None:
    with scratch() as folder:
        image, labels = _make(folder)
        seconds, _ = segtrain(
            "train", "--images", image, "--labels", labels, "--time-budget", "20s",
            "--output", folder / "run",
        )  # fmt: skip
        print(f"training: {seconds:.0f} s, peak RSS {peak_rss_gb():.2f} GB", flush=True)
        seconds, _ = segtrain(
            "predict", folder / "run", image, "--slices", "255",
            "--output", folder / "out",
        )  # fmt: skip
        print(
            f"prediction of one slice: {seconds:.0f} s, peak RSS of both "
            f"{peak_rss_gb():.2f} GB",
            flush=True,
        )


def _make(folder: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    paths = folder / "image.zarr", folder / "labels.zarr"
    arrays = [
        zarr.create_array(
            str(path),
            shape=_SHAPE,
            chunks=(8, 512, 512),
            dtype=np.uint8,
            fill_value=0,
            dimension_names=["z", "y", "x"],
        )
        for path in paths
    ]
    y, x = np.ogrid[:2048, :2048]
    for z in _PAINTED:
        disks = ((y % 64 - 32) ** 2 + (x % 64 - 32) ** 2 < 400).astype(np.uint8)
        noise = rng.integers(0, 80, disks.shape, dtype=np.uint8)
        arrays[0][z, 1024:3072, 1024:3072] = disks * 120 + noise
        arrays[1][z, 1024:3072, 1024:3072] = disks
    return paths
