"""A model of one stack of membranes, fine-tuned on a few slices of another.

A network is trained on the membranes of the larval nerve cord, and goes on with 5 of
the 24 training slices of ISBI 2012 for a fifth of the time; a new network has all 24
slices and all of the time: that of ``membranes`` where its row is there. Both are
scored on slices 24-29, and so is the first model as it is. Rows that are there already
are not made again.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from benchmarks.commands import score, scratch, segtrain, train_and_score
from benchmarks.membranes import split
from benchmarks.sections import write_sections

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rows import Rows

FEW = (2, 7, 12, 17, 22)
"""Slices with labels for fine-tuning, spread over the 24."""
_SHARE = 0.2
_MEMBRANE = 1
_ALLOWED = 0.01


def run(data: Path, budget: float, n_seeds: int, rows: Rows) -> None:
    keys = {"benchmark": "fine-tuning", "budget": budget}
    with scratch() as folder:
        isbi = split(data / "membranes_isbi2012", folder)
        cord = _nerve_cord(data / "vnc_sstem", folder)
        few = _few(isbi, folder)
        for seed in range(n_seeds):
            key = {**keys, "seed": seed}
            if not rows.where(**key):
                base = folder / f"base-{seed}"
                fresh = rows.where(benchmark="membranes", budget=budget, seed=seed)
                scratched = (
                    fresh[0]["iou"] if fresh else _from_scratch(isbi, budget, seed)
                )
                tuned = _fine_tuned(isbi, few, cord, base, budget, seed)
                rows.add(key | tuned | {"scratch": scratched})
                print(_line(rows.where(**key)[0]), flush=True)
    made = rows.where(**keys)
    gain = statistics.median(row["fine_tuned"] - row["scratch"] for row in made)
    verdict = "reached" if gain >= -_ALLOWED else "missed"
    print(f"median difference {gain:+.4f} (at least {-_ALLOWED}: {verdict})")


def _fine_tuned(
    isbi: dict[str, Path],
    few: dict[str, Path],
    cord: dict[str, Path],
    base: Path,
    budget: float,
    seed: int,
) -> dict[str, float]:
    segtrain(
        "train", "--images", cord["images"], "--labels", cord["labels"],
        "--time-budget", f"{budget}s", "--output", base, "--seed", seed,
    )  # fmt: skip
    begun = ("--seed", seed, "--continue-from", base)
    tuned = train_and_score({**isbi, **few}, _SHARE * budget, *begun)
    return {
        "base": score(base, isbi)["overall"]["iou"],
        "fine_tuned": tuned["report"]["overall"]["iou"],
    }


def _from_scratch(isbi: dict[str, Path], budget: float, seed: int) -> float:
    fresh = train_and_score(isbi, budget, "--seed", seed)
    return float(fresh["report"]["overall"]["iou"])


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['budget']:g} s, seed {row['seed']}: model of the nerve cord "
        f"{row['base']:.4f}, fine-tuned {row['fine_tuned']:.4f}, from scratch "
        f"{row['scratch']:.4f}, difference {row['fine_tuned'] - row['scratch']:+.4f}"
    )


def _nerve_cord(source: Path, folder: Path) -> dict[str, Path]:
    """Images and labels of the membranes alone."""
    with tifffile.TiffFile(source / "label.ome.tif") as file:
        labels = (file.asarray() == _MEMBRANE).astype(np.uint8)
    path = folder / "nerve_cord_labels.ome.tif"
    write_sections(path, labels, pixel=0.0046, thickness=0.05)
    return {"images": source / "image.ome.tif", "labels": path}


def _few(isbi: dict[str, Path], folder: Path) -> dict[str, Path]:
    files = {}
    for name in ("images", "labels"):
        files[name] = folder / f"few_{name}.ome.tif"
        few = tifffile.imread(isbi[name])[list(FEW)]
        write_sections(files[name], few, pixel=0.004, thickness=0.25)
    return files
