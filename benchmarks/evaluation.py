"""Scores of large label images against the same list from other libraries.

Each side is computed in a process of its own, from the same two files, by turns; times
are without loading. The voxels are two classes in 165 × 768 × 1024, the objects 5,000
in 256 × 512 × 512. MONAI's panoptic quality makes a mask of the volume for each object
(335 GB), so that side has only a 64th of the volume for it, with 80 objects.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.commands import forget_peak, peak_bytes, scratch
from napari_segtrain import evaluate
from napari_segtrain.config import DataConfig
from napari_segtrain.evaluation.error_map import FALSE_POSITIVE, error_map_array
from napari_segtrain.workflows.evaluation import classes_of, open_label_pairs

if TYPE_CHECKING:
    from pathlib import Path

_TOLERANCE = 2.0
_LEAST = {"voxels": 3.0, "objects": 10.0}
_MOST_MEMORY = 2.0
_ROUNDING = 1e-4
Volume = npt.NDArray[Any]


def run(n_turns: int = 3) -> None:
    with scratch() as folder:
        for what, make in (("voxels", _voxels), ("objects", _objects)):
            paths = [folder / f"{what}_{side}.npy" for side in ("truth", "found")]
            for path, labels in zip(paths, make(), strict=True):
                np.save(path, labels)
            turns = [
                {who: _measured(what, who, paths) for who in ("ours", "others")}
                for _ in range(n_turns)
            ]
            _report(what, turns)


def _report(what: str, turns: list[dict[str, Any]]) -> None:
    ratios = [turn["others"]["seconds"] / turn["ours"]["seconds"] for turn in turns]
    ours, others = turns[0]["ours"], turns[0]["others"]
    gain, least = statistics.median(ratios), _LEAST[what]
    print(
        f"{what}: {ours['seconds']:.1f} s against {others['seconds']:.1f} s, "
        f"{gain:.1f} times as fast (at least {least:g}: "
        f"{'reached' if gain >= least else 'missed'})"
    )
    for who, row in turns[0].items():
        share = row["peak"] / row["inputs"]
        print(
            f"  {who}: peak RSS {row['peak'] / 1e9:.2f} GB, {share:.2f} times the "
            f"two inputs of {row['inputs'] / 1e9:.2f} GB"
        )
    if what == "voxels":
        verdict = ours["peak"] <= _MOST_MEMORY * ours["inputs"]
        print(f"  under twice the inputs: {'reached' if verdict else 'missed'}")
    for name, value in others["scores"].items():
        mine = ours["scores"][name]
        same = abs(mine - value) <= _ROUNDING * max(1.0, abs(value))
        print(f"  {name}: {mine:.6f} and {value:.6f}{'' if same else ', which differ'}")


def _measured(what: str, who: str, paths: list[Path]) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.evaluation",
        what,
        who,
        *map(str, paths),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _voxels() -> tuple[Volume, Volume]:
    """Mitochondria-like blobs in 6 % of a volume, and something near to them.

    They stay away from the edge of the image, which MONAI counts as a surface.
    """
    rng = np.random.default_rng(0)
    shape = 165, 768, 1024
    noise = ndimage.gaussian_filter(rng.random(shape, np.float32), (3, 6, 6))
    inside = np.zeros(shape, bool)
    inside[2:-2, 2:-2, 2:-2] = True
    truth = noise > np.quantile(noise[::5, ::5, ::5], 0.94)
    other = ndimage.gaussian_filter(rng.random(noise.shape, np.float32), (3, 5, 5))
    noise = np.roll(noise, (0, 1, 1), (0, 1, 2)) + other * 0.05
    found = noise > np.quantile(noise[::5, ::5, ::5], 0.935)
    return (truth & inside).astype(np.uint8), (found & inside).astype(np.uint8)


def _objects() -> tuple[Volume, Volume]:
    """Balls; some are missed, moved, cut in two or joined."""
    rng = np.random.default_rng(0)
    shape = np.array((256, 512, 512))
    truth, found = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    cells = rng.permutation(np.argwhere(np.ones((13, 20, 20))))[:5000]
    places = cells * (19, 25, 25) + (9, 12, 12)
    for number, place in enumerate(places, start=1):
        radius = rng.integers(5, 10)
        _ball(truth, place, radius, number)
        if number % 20:
            moved = place + rng.integers(-2, 3, 3)
            _ball(found, moved, radius, number - (number % 17 == 0))
    half = found[:, ::2]
    half[half % 13 == 0] *= -1
    found[found < 0] = 5000 - found[found < 0]
    return truth, found


def _ball(labels: Volume, place: Volume, radius: int, number: int) -> None:
    box = tuple(slice(max(c - radius, 0), c + radius + 1) for c in place)
    grid = np.ogrid[box]
    far = sum((g - c) ** 2 for g, c in zip(grid, place, strict=True))
    labels[box][far <= radius**2] = number


def _our_voxels(truth: Volume, found: Volume) -> dict[str, float]:
    report = evaluate(truth, found, boundaries=True, tolerance=_TOLERANCE)
    pairs = open_label_pairs(truth, found, DataConfig()).pairs
    errors = error_map_array(pairs[0], classes_of(pairs))
    overall, (_, cls) = report.total.scores.overall, report.total.scores.classes
    (surface,) = report.total.boundaries or ()
    return {
        "accuracy": overall.accuracy or 0.0,
        "mean accuracy": overall.mean_accuracy or 0.0,
        "weighted IoU": overall.weighted_iou or 0.0,
        "IoU": cls.iou or 0.0,
        "Dice": cls.dice or 0.0,
        "precision": cls.precision or 0.0,
        "recall": cls.recall or 0.0,
        "specificity": cls.specificity or 0.0,
        "MCC": cls.mcc or 0.0,
        "surface Dice": surface.surface_dice or 0.0,
        "Hausdorff": surface.hausdorff or 0.0,
        "HD95": surface.hausdorff95 or 0.0,
        "mean distance": surface.mean_distance or 0.0,
        "false positives": _n_false_positives(errors),
    }


def _other_voxels(truth: Volume, found: Volume) -> dict[str, float]:
    """The least calls of scikit-learn and MONAI that give the list."""
    import torch
    from monai import metrics
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(truth.ravel(), found.ravel()).astype(float)
    (tn, fp), (fn, tp) = counts
    n = counts.sum()
    recalls = tn / (tn + fp), tp / (tp + fn)
    ious = tn / (tn + fp + fn), tp / (tp + fp + fn)
    spread = ((tp + fp) * (tp + fn)) ** 0.5 * ((tn + fp) * (tn + fn)) ** 0.5
    sides = [torch.from_numpy(side)[None, None] for side in (found, truth)]
    options: dict[str, Any] = {"include_background": True}
    codes = np.where(truth == found, truth, np.where(found > truth, 2, 3))
    return {
        "accuracy": (tn + tp) / n,
        "mean accuracy": sum(recalls) / 2,
        "weighted IoU": (ious[0] * (tn + fp) + ious[1] * (tp + fn)) / n,
        "IoU": ious[1],
        "Dice": 2 * tp / (2 * tp + fp + fn),
        "precision": tp / (tp + fp),
        "recall": recalls[1],
        "specificity": recalls[0],
        "MCC": (tp * tn - fp * fn) / spread,
        "surface Dice": float(
            metrics.compute_surface_dice(*sides, [_TOLERANCE], **options)
        ),
        "Hausdorff": float(metrics.compute_hausdorff_distance(*sides, **options)),
        "HD95": float(
            metrics.compute_hausdorff_distance(*sides, percentile=95, **options)
        ),
        "mean distance": float(
            metrics.compute_average_surface_distance(*sides, symmetric=True, **options)
        ),
        "false positives": _n_false_positives(codes),
    }


def _n_false_positives(errors: Volume) -> float:
    return float(sum(np.count_nonzero(part == FALSE_POSITIVE) for part in errors))


def _our_objects(truth: Volume, found: Volume) -> dict[str, float]:
    total = evaluate(truth, found, target="instances", objects=True).total
    (summary,), (at_half, _) = total.summaries or (), total.objects or ()
    part = tuple(slice(n // 4) for n in truth.shape)
    some = evaluate(truth[part], found[part], target="instances", objects=True)
    return {
        "PQ": at_half.pq or 0.0,
        "PQ of a part": (some.total.objects or (at_half,))[0].pq or 0.0,
        "mean AP": summary.mean_ap or 0.0,
        "Rand F": summary.partition.rand_f or 0.0,
        "VOI split": summary.partition.voi_split or 0.0,
        "VOI merge": summary.partition.voi_merge or 0.0,
    }


def _other_objects(truth: Volume, found: Volume) -> dict[str, float]:
    import torch
    from monai.metrics import compute_panoptic_quality
    from skimage.metrics import adapted_rand_error, variation_of_information

    part = tuple(slice(n // 4) for n in truth.shape)
    sides = [torch.from_numpy(side[part].copy()) for side in (found, truth)]
    error = adapted_rand_error(truth, found, ignore_labels=(0,))[0]
    split, merge = variation_of_information(truth, found, ignore_labels=(0,))
    return {
        "PQ of a part": float(compute_panoptic_quality(*sides)),
        "Rand F": 1 - float(error),
        "VOI split": float(split),
        "VOI merge": float(merge),
    }


_SIDES = {
    ("voxels", "ours"): _our_voxels,
    ("voxels", "others"): _other_voxels,
    ("objects", "ours"): _our_objects,
    ("objects", "others"): _other_objects,
}


def _measure(what: str, who: str, *paths: str) -> None:
    """Print the scores and what they took, in a process of its own."""
    truth, found = (np.load(path) for path in paths)
    forget_peak()
    start = time.perf_counter()
    scores = _SIDES[what, who](truth, found)
    seconds = time.perf_counter() - start
    inputs = truth.nbytes + found.nbytes
    row = {"seconds": seconds, "peak": peak_bytes(), "inputs": inputs, "scores": scores}
    print(json.dumps(row))


if __name__ == "__main__":
    _measure(*sys.argv[1:])
