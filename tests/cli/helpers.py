"""Small images that a small network learns in a second, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from napari_segtrain import RunControl, train

VALUES = (0, 100, 255)
"""Label values with gaps: background, gray disks, bright disks."""

LEVELS = (40.0, 120.0, 220.0)

SMALL = (
    "--set", "network.depth=1", "--set", "network.first_filters=8",
    "--set", "network.stem=1", "--set", "sampling.patch_size=[1,48,48]",
    "--set", "sampling.batch_size=8", "--set", "training.learning_rate=0.03",
)  # fmt: skip
"""Options of a network that learns the disks in 40 iterations, about a second."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def disks(shape, seed, values=VALUES):
    """Noisy image of gray and bright disks, uint8, and its labels."""
    rng = np.random.default_rng(seed)
    grid = np.indices(shape)
    index = np.zeros(shape, int)
    for number in range(14):
        center = rng.integers(0, shape)
        distance = (grid.T - center).T
        inside = (distance**2).sum(0) < rng.integers(4, 9) ** 2
        index[inside] = 1 + number % 2
    noise = rng.normal(0, 12, shape)
    image = (np.array(LEVELS)[index] + noise).clip(0, 255).astype(np.uint8)
    kind = np.uint8 if max(values) < 256 else np.uint16
    return image, np.array(values, kind)[index]


def write_set(folder: Path, n: int = 3, shape=(64, 64), *, first: int = 0, **options):
    """Write ``image`` and ``label`` with ``n`` TIFF files of the same names."""
    for kind in ("image", "label"):
        (folder / kind).mkdir(parents=True)
    for number in range(first, first + n):
        image, labels = disks(shape, number, **options)
        name = f"cell_{chr(ord('a') + number)}.tif"
        tifffile.imwrite(folder / "image" / name, image)
        tifffile.imwrite(folder / "label" / name, labels)
    return folder


def segtrain_script() -> str:
    """The installed command."""
    name = "segtrain.exe" if os.name == "nt" else "segtrain"
    return str(Path(sys.executable).parent / name)


def call(*arguments: object, cwd: Path, **options) -> Outcome:
    """Run the installed command in a process of its own."""
    done = subprocess.run(
        [segtrain_script(), *map(str, arguments)],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def listing(folder: Path) -> set[str]:
    """Everything below a folder, hidden files included."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def stop_at_once(folder: Path, run: Path) -> Path:
    """Train on ``image`` and ``label`` of a folder, and stop before an iteration."""
    control = RunControl()
    control.stop()
    result = train(
        folder / "image",
        folder / "label",
        output=run,
        control=control,
        iterations=2,
        validation={"kind": "none"},
        network={"depth": 1, "first_filters": 8, "stem": 1},
        sampling={"patch_size": (1, 48, 48), "batch_size": 8},
    )
    assert not result.is_complete
    return run


def iou(truth, prediction, value) -> float:
    """Intersection over union of one label value."""
    a, b = truth == value, prediction == value
    return float((a & b).sum() / (a | b).sum())
