"""Nuclei: objects by watershed of what a model says of them, or connected components.

A model of boundaries and interfaces is trained as in `benchmarks.nuclei`. Its objects
are scored as they come out, and after what touches was joined again: connected
components of the same foreground. A row is written after each training, and rows that
are there already are not made again.
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.commands import scratch, segtrain
from benchmarks.nuclei import split
from napari_segtrain.io import read_labels, write_labels
from napari_segtrain.objects.instances import label_objects

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rows import Rows

THRESHOLDS = (0.5, 0.75)
WAYS = ("watershed", "components")


def run(data: Path, budget: float, n_seeds: int, rows: Rows) -> None:
    keys = {"benchmark": "separation", "budget": budget}
    with scratch() as folder:
        files = split(data, folder)
        for seed in range(n_seeds):
            key = {**keys, "seed": seed}
            if not rows.where(**key):
                rows.add(key | _result(files, key))
            print(_line(rows.where(**key)[0]), flush=True)
    for threshold in THRESHOLDS:
        made = rows.where(**keys)
        gains = [_gain(row, threshold) for row in made]
        verdict = "watershed is better" if min(gains) > 0 else "it is not always better"
        gain = statistics.median(gains)
        print(f"F1 at {threshold}: median gain {gain:+.4f}, {verdict}", flush=True)


def _result(files: dict[str, Path], key: dict[str, Any]) -> dict[str, float]:
    with scratch() as folder:
        segtrain(
            "train", "--images", files["images"], "--labels", files["labels"],
            "--time-budget", f"{key['budget']:g}s", "--output", folder / "run",
            "--target", "instances", "--seed", key["seed"],
        )  # fmt: skip
        made, joined = folder / "watershed", folder / "components"
        segtrain("predict", folder / "run", files["test_images"], "--output", made)
        joined.mkdir()
        for path in sorted(made.glob("*.tif")):
            _join(path, joined / path.name)
        return {
            f"{way} {threshold}": f1
            for way in WAYS
            for threshold, f1 in _scores(files, folder / way).items()
        }


def _join(path: Path, target: Path) -> None:
    """Connected components of the foreground of objects."""
    labels = read_labels(path)
    ids = np.asarray(labels.items()[0].read()[0, 0])
    write_labels(target, label_objects(ids > 0), axes="YX")


def _scores(files: dict[str, Path], folder: Path) -> dict[float, float]:
    report = folder / "report"
    segtrain(
        "evaluate", files["test_labels"], folder, "--objects",
        "--target", "instances", "--output", report,
    )  # fmt: skip
    total = json.loads((report / "metrics.json").read_text())["total"]
    rows = {row["threshold"]: row["f1"] for row in total["objects"]}
    return {threshold: float(rows[threshold]) for threshold in THRESHOLDS}


def _gain(row: dict[str, Any], threshold: float) -> float:
    return float(row[f"watershed {threshold}"] - row[f"components {threshold}"])


def _line(row: dict[str, Any]) -> str:
    parts = [
        f"F1 at {threshold}: {row[f'watershed {threshold}']:.4f} by watershed, "
        f"{row[f'components {threshold}']:.4f} as components"
        for threshold in THRESHOLDS
    ]
    return f"seed {row['seed']}: {'; '.join(parts)}"
