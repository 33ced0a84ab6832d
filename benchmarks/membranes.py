"""ISBI 2012 membranes: the defaults against a bare loop around MONAI's residual U-Net.

Train on slices 0-23, score 24-29, by turns with the baseline; IoU differences. Rows
that are there already are not made again.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import tifffile

from benchmarks.commands import scratch, train_and_score
from benchmarks.sections import write_sections

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rows import Rows

BUDGETS = (6, 20, 60, 300)


def run(data: Path, baseline: Path, n_seeds: int, rows: Rows) -> None:
    with scratch() as folder:
        files = split(data / "membranes_isbi2012", folder)
        for seconds in BUDGETS:
            keys = {"benchmark": "membranes", "budget": seconds}
            for seed in range(n_seeds):
                key = {**keys, "seed": seed}
                if not rows.where(**key):
                    rows.add(key | _pair(files, baseline, seconds, seed))
                    print(_line(rows.where(**key)[0]), flush=True)
            made = rows.where(**keys)
            gain = statistics.median(row["iou"] - row["baseline"] for row in made)
            print(f"{seconds} s: median difference {gain:+.4f}", flush=True)


def _pair(
    files: dict[str, Path], baseline: Path, seconds: int, seed: int
) -> dict[str, float]:
    ours = _ours(files, "labels", seconds, seed)
    theirs = _baseline(files, baseline, seconds, seed)
    names = ("iou", "wall", "iterations")
    return {name: ours[name] for name in names} | {"baseline": theirs}


def _line(row: dict[str, Any]) -> str:
    gain = row["iou"] - row["baseline"]
    return (
        f"{row['budget']} s, seed {row['seed']}: {row['iou']:.4f} in "
        f"{row['wall']:.1f} s ({row['iterations']} iterations), "
        f"baseline {row['baseline']:.4f}, difference {gain:+.4f}"
    )


def run_strokes(data: Path, n_seeds: int) -> None:
    with scratch() as folder:
        files = split(data / "membranes_isbi2012", folder)
        ratios = []
        for seed in range(n_seeds):
            sparse = _ours(files, "strokes", 60, seed)["iou"]
            dense = _ours(files, "labels", 60, seed)["iou"]
            ratios.append(sparse / dense)
            print(f"seed {seed}: strokes {sparse:.4f}, dense {dense:.4f}", flush=True)
        print(f"median ratio {statistics.median(ratios):.3f}", flush=True)


def split(source: Path, folder: Path) -> dict[str, Path]:
    image = tifffile.imread(source / "image.ome.tif")
    labels = tifffile.imread(source / "label.ome.tif")
    strokes = tifffile.imread(source / "strokes.ome.tif")
    parts = {
        "images": image[:24],
        "labels": labels[:24],
        "strokes": strokes[:24],
        "test_images": image[24:],
        "test_labels": labels[24:],
    }
    files = {}
    for name, array in parts.items():
        files[name] = folder / f"{name}.ome.tif"
        write_sections(files[name], array, pixel=0.004, thickness=0.05)
    return files


def _ours(files: dict[str, Path], labels: str, seconds: int, seed: int) -> Any:
    data = {**files, "labels": files[labels]}
    result = train_and_score(data, seconds, "--seed", seed)
    return {**result, "iou": result["report"]["overall"]["iou"]}


def _baseline(files: dict[str, Path], script: Path, seconds: int, seed: int) -> float:
    names = ("images", "labels", "test_images", "test_labels")
    arguments = [str(files[name]) for name in names] + [str(seconds), str(seed)]
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"final .*iou=([\d.]+)", done.stdout)
    if found is None:
        raise SystemExit(done.stdout + done.stderr)
    return float(found.group(1))
