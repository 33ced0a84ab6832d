"""Virtual volumes of several sizes into stores: peak memory and time per voxel.

Each size is predicted in a process of its own, with a network of two filters, from an
array that makes its voxels when they are read. The time beside the network's is that of
the blocks: reading, writing all resolutions, marks.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.commands import scratch
from napari_segtrain import load_model, train
from napari_segtrain.config import InferenceConfig, VolumeConfig
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.image import Image
from napari_segtrain.inference.volume.opening import open_volume
from napari_segtrain.inference.volume.run import iter_volume_prediction
from napari_segtrain.workflows.running import run as finish

SIZES = (2.0, 8.0, 32.0)
_NETWORK = {"dims": 3, "depth": 1, "first_filters": 2, "stem": 1}
_PLANE = 2048
_MAX_RSS_GB = 3.0
_TOLERANCE = 0.1
_KILO = 1024


class _Virtual:
    """Patterns of gray in single precision, made when they are asked for."""

    dtype = np.dtype(np.float32)

    def __init__(self, gigabytes: float) -> None:
        depth = round(gigabytes * 1e9 / (_PLANE**2 * self.dtype.itemsize))
        self.shape = (depth, _PLANE, _PLANE)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        parts = [
            np.arange(n, dtype=np.uint32)[part]
            for n, part in zip(self.shape, key, strict=True)
        ]
        z, y, x = np.ix_(*parts)
        return (np.bitwise_xor(z * 3 + y, x) & 255).astype(np.float32)


def run(sizes: tuple[float, ...] = SIZES) -> None:
    with scratch() as folder:
        data = sample_dir("embryo") / "train"
        model = train(
            data / "image", data / "label", output=folder / "run", iterations=20,
            network=_NETWORK,
        ).model_path  # fmt: skip
        rows = []
        for size in sizes:
            command = [sys.executable, "-m", "benchmarks.volumes", str(model)]
            command += [str(size), str(folder / f"{size}.ome.zarr")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(
                f"{size:g} GB: {rows[-1]['seconds']:.0f} s, "
                f"{rows[-1]['speed']:.2f} Mvoxel/s, "
                f"{rows[-1]['cpu']:.0f} ns of processor time per voxel, "
                f"peak RSS {rows[-1]['rss']:.2f} GB",
                flush=True,
            )
    speeds, cpu = ([row[name] for row in rows] for name in ("speed", "cpu"))
    spread, cpu_spread = (max(each) / min(each) - 1 for each in (speeds, cpu))
    peak = max(row["rss"] for row in rows)
    print(
        f"peak RSS {peak:.2f} GB (at most {_MAX_RSS_GB:g}), times per voxel within "
        f"{100 * spread:.0f} %, processor times within {100 * cpu_spread:.0f} % (at "
        f"most {100 * _TOLERANCE:.0f} %)"
    )


def _predict(model: Path, gigabytes: float, store: Path) -> None:
    """In a process of its own: predict, and print a line of JSON."""
    image = Image(_Virtual(gigabytes), "ZYX", (0.1, 0.1, 0.1), name="virtual")
    config = InferenceConfig(device="cpu", engine="openvino")
    start = time.perf_counter()
    opened = open_volume([load_model(model)], image, store, config, VolumeConfig())
    finish(iter_volume_prediction(opened))
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    rss = used.ru_maxrss * _KILO / 1e9
    n_voxels = float(np.prod(image.array.shape, dtype=np.float64))
    cpu = (used.ru_utime + used.ru_stime) / n_voxels * 1e9
    speed = n_voxels / seconds / 1e6
    print(json.dumps({"seconds": seconds, "rss": rss, "speed": speed, "cpu": cpu}))


if __name__ == "__main__":
    _predict(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
