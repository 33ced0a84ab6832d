"""Nuclei with ids: what of objects is learned, against their foreground alone.

Half of the training images of the Data Science Bowl 2018 (every second one) are
trained on; the other half and the 2D example of StarDist are scored. Foreground is the
same network with connected components. A row is written after each training, and rows
that are there already are not made again.
"""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.commands import scratch, train_and_score

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rows import Rows

FOREGROUND = "foreground"
TARGETS = (FOREGROUND, "boundaries", "distances")
AIM = 0.03
_STARDIST = "stardist"


def run(data: Path, budget: float, n_seeds: int, rows: Rows) -> None:
    with scratch() as folder:
        files = split(data, folder)
        keys = {"benchmark": "nuclei", "budget": budget}
        for seed in range(n_seeds):
            for target in TARGETS:
                key = {**keys, "seed": seed, "target": target}
                if not rows.where(**key):
                    rows.add(key | _result(files, key))
                print(_line(rows.where(**key)[0]), flush=True)
        _report(rows, keys, n_seeds)


def split(data: Path, folder: Path) -> dict[str, Path]:
    """Every second image for training, the others and StarDist's for the score."""
    source = data / "nuclei_dsb2018/train"
    for kind in ("image", "label"):
        for part in ("train", "test"):
            (folder / part / kind).mkdir(parents=True)
        for number, path in enumerate(sorted((source / kind).glob("*.tif"))):
            shutil.copy(path, folder / ("train", "test")[number % 2] / kind)
    for name, kind in (("img2d", "image"), ("mask2d", "label")):
        example = data / f"stardist_examples/{name}.tif"
        shutil.copy(example, folder / "test" / kind / f"{_STARDIST}.tif")
    return {
        "images": folder / "train/image",
        "labels": folder / "train/label",
        "test_images": folder / "test/image",
        "test_labels": folder / "test/label",
    }


def _result(files: dict[str, Path], key: dict[str, Any]) -> dict[str, Any]:
    result = train_and_score(
        {**files, "objects": True}, key["budget"],
        "--target", "instances", "--set", f"objects.target={key['target']}",
        "--seed", key["seed"],
    )  # fmt: skip
    example = next(row for row in result["images"] if row["name"] == _STARDIST)
    return {
        "f1": _f1(result["report"]),
        "stardist_f1": _f1(example),
        "iou": result["report"]["overall"]["iou"],
        "iterations": result["iterations"],
    }


def _f1(scores: dict[str, Any]) -> float:
    return next(row["f1"] for row in scores["objects"] if row["threshold"] == 0.5)


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['target']}, {row['budget']:g} s, seed {row['seed']}: object F1 "
        f"{row['f1']:.4f} (StarDist's example {row['stardist_f1']:.4f}), IoU "
        f"{row['iou']:.4f}, {row['iterations']} iterations"
    )


def _report(rows: Rows, keys: dict[str, Any], n_seeds: int) -> None:
    for target in TARGETS[1:]:
        gains = [
            _of(rows, keys, seed, target) - _of(rows, keys, seed, FOREGROUND)
            for seed in range(n_seeds)
        ]
        gain = statistics.median(gains)
        verdict = "reached" if gain >= AIM else "missed"
        print(f"{target}: median gain {gain:+.4f} in object F1, {verdict}", flush=True)


def _of(rows: Rows, keys: dict[str, Any], seed: int, target: str) -> float:
    (row,) = rows.where(**keys, seed=seed, target=target)
    return float(row["f1"])
