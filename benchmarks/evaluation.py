"""Scores of the voxels of a large volume against the same list from other libraries.

Two classes in 165 × 768 × 1024. Each side is computed in a process of its own, from the
same two files, by turns; times are without imports and loading.
"""

from __future__ import annotations

import statistics
import sys
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.commands import scratch
from benchmarks.sides import (
    Scores,
    measure,
    measured,
    report_memory,
    report_scores,
)
from napari_segtrain import evaluate
from napari_segtrain.config import DataConfig
from napari_segtrain.evaluation.error_map import FALSE_POSITIVE, error_map_array
from napari_segtrain.workflows.evaluation import classes_of, open_label_pairs

_TOLERANCE = 2.0
_LEAST = 3.0
_MOST_MEMORY = 2.0
Volume = npt.NDArray[Any]


def run(n_turns: int = 3) -> None:
    with scratch() as folder:
        paths = [folder / f"{side}.npy" for side in ("truth", "found")]
        for path, labels in zip(paths, _voxels(), strict=True):
            np.save(path, labels)
        turns = [
            {who: measured(__name__, who, *paths) for who in ("ours", "others")}
            for _ in range(n_turns)
        ]
    _report(turns)


def _report(turns: list[dict[str, Any]]) -> None:
    ratios = [turn["others"]["seconds"] / turn["ours"]["seconds"] for turn in turns]
    ours, others = turns[0]["ours"], turns[0]["others"]
    gain = statistics.median(ratios)
    print(
        f"voxels: {ours['seconds']:.1f} s against {others['seconds']:.1f} s, "
        f"{gain:.1f} times as fast (at least {_LEAST:g}: "
        f"{'reached' if gain >= _LEAST else 'missed'})"
    )
    for who, row in turns[0].items():
        report_memory(who, row)
    verdict = ours["peak"] <= _MOST_MEMORY * ours["inputs"]
    print(f"  under twice the inputs: {'reached' if verdict else 'missed'}")
    report_scores(ours["scores"], others["scores"])


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


def _our_voxels(truth: Volume, found: Volume) -> Scores:
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


def _other_voxels(truth: Volume, found: Volume) -> Scores:
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


def _measure(who: str, *paths: str) -> None:
    if who == "others":
        import_module("monai.metrics")
        import_module("sklearn.metrics")
    work = _our_voxels if who == "ours" else _other_voxels
    truth, found = (np.load(path) for path in paths)
    measure(lambda: work(truth, found), truth.nbytes + found.nbytes)


if __name__ == "__main__":
    _measure(*sys.argv[1:])
