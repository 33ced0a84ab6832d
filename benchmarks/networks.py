"""Every network with nothing set beyond its name: quality, speed and memory.

2D networks segment the ISBI 2012 membranes (trained on slices 0-23, scored on 24-29),
those for volumes the embryo nuclei (8-cell stage, then 16-cell), each in a process of
its own. A row is written after each, and rows that are there are not made again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.choice import embryo
from benchmarks.commands import peak_bytes, scratch
from benchmarks.membranes import split
from napari_segtrain import evaluate, load_model, predict, read_image, train
from napari_segtrain.config.network import DIMS_OF

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rows import Rows

_SEED = 0
_DATA = {2: "membranes", 3: "embryo nuclei"}


def run(data: Path, budget: float, rows: Rows) -> None:
    print("| network | data | IoU | iterations | Mvoxel/s predicted | peak RSS, GB |")
    print("|---|---|---|---|---|---|")
    with scratch() as folder:
        files = {
            2: split(data / "membranes_isbi2012", folder),
            3: embryo(data, folder),
        }
        for name, all_dims in DIMS_OF.items():
            for dims in all_dims:
                key = {
                    "benchmark": "networks",
                    "network": name,
                    "dims": dims,
                    "budget": budget,
                }
                if not rows.where(**key):
                    rows.add(key | _in_own_process(key, files[dims]))
                print(_line(rows.where(**key)[0]), flush=True)


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| {row['network']} | {_DATA[row['dims']]} | {row['error']} | | | |"
    return (
        f"| {row['network']} {row['dims']}D | {_DATA[row['dims']]} | {row['iou']:.3f} "
        f"| {row['iterations']} | {row['voxels_per_second'] / 1e6:.2f} "
        f"| {row['peak_bytes'] / 1e9:.2f} |"
    )


def _in_own_process(key: dict[str, Any], files: dict[str, Path]) -> dict[str, Any]:
    """Result of a network, or the end of what it said when it failed."""
    task = {**key, **{name: str(path) for name, path in files.items()}}
    command = [sys.executable, "-m", "benchmarks.networks", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": f"failed: {(done.stderr.splitlines() or ['killed'])[-1]}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Train, predict and score one network."""
    with scratch() as folder:
        result = train(
            task["images"],
            task["labels"],
            output=folder / "run",
            time_budget=task["budget"],
            network={"name": task["network"], "dims": task["dims"]},
            training={"seed": _SEED},
        )
        peak = peak_bytes()
        image = read_image(task["test_images"])
        prediction = predict(load_model(result.run_dir), image)
        report = evaluate(task["test_labels"], prediction.labels)
    return {
        "iou": report.iou or 0.0,
        "iterations": result.iterations,
        "voxels_per_second": int(np.prod(image.array.shape)) / prediction.seconds,
        "peak_bytes": peak,
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
