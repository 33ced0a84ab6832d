"""Scores of many objects against scikit-image and MONAI.

5,000 objects in 256 × 512 × 512. scikit-image gives Rand and VOI of the whole, as we
do. MONAI's panoptic quality makes a mask of int32 of all voxels for each object,
2.6 TB of the whole, so it is given the 64 parts of the volume one after another, with
90 objects each. Its time and memory grow with objects times voxels (that is measured
with parts of three sizes), so that the whole would take it 64 times as long as the
parts do: what is told is what it takes at least. Nobody else computes AP and the list
of objects. Each side has a process of its own; times are without imports and loading.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.commands import scratch
from benchmarks.sides import (
    Scores,
    measure,
    measured,
    report_memory,
    report_scores,
)
from napari_segtrain import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHAPE = 256, 512, 512
_N_OBJECTS = 5000
_LEAST = 10.0
_CUTS = 4
_GROWTH = 128, 64, 32
Volume = npt.NDArray[Any]
Box = tuple[slice, ...]


def run(n_turns: int = 3) -> None:
    with scratch() as folder:
        paths = [folder / f"{side}.npy" for side in ("truth", "found")]
        for path, labels in zip(paths, _objects(), strict=True):
            np.save(path, labels)
        turns = [
            {
                who: measured(__name__, who, *paths)
                for who in ("ours", "others", "monai")
            }
            for _ in range(n_turns)
        ]
        growth = {n: measured(__name__, f"1/{n}", *paths) for n in _GROWTH}
        our_parts = measured(__name__, "parts", *paths)
    _report(turns)
    _report_growth(growth)
    report_scores(turns[0]["ours"]["scores"], turns[0]["others"]["scores"])
    _report_parts(our_parts["scores"], turns[0]["monai"]["scores"])


def _report(turns: list[dict[str, Any]]) -> None:
    ours, others, monai = (
        statistics.median(turn[who]["seconds"] for turn in turns) for who in turns[0]
    )
    gain = statistics.median(
        (turn["others"]["seconds"] + turn["monai"]["seconds"]) / turn["ours"]["seconds"]
        for turn in turns
    )
    verdict = "reached" if gain >= _LEAST else "missed"
    print(
        f"objects: {ours:.1f} s against {others:.1f} s for Rand and VOI, and "
        f"{monai:.1f} s for PQ in {_CUTS**3} parts\n"
        f"  at least {gain:.1f} times as fast (at least {_LEAST:g}: {verdict}), "
        f"{others / ours:.1f} times without PQ"
    )
    for who, row in turns[0].items():
        report_memory(who, row)


def _report_growth(growth: dict[int, dict[str, Any]]) -> None:
    for n, row in growth.items():
        taken = (row["peak"] - row["before"]) / 1e9
        print(
            f"  MONAI's PQ of 1/{n}: {row['scores']['objects']:.0f} objects, "
            f"{row['seconds']:.2f} s, {taken:.2f} GB beside the inputs"
        )


def _report_parts(ours: Scores, monai: Scores) -> None:
    apart = [abs(ours[name] - value) for name, value in monai.items()]
    print(
        f"  PQ of {len(apart)} parts: mean {statistics.mean(ours.values()):.6f} and "
        f"{statistics.mean(monai.values()):.6f}, greatest difference {max(apart):.1e}"
    )


def _objects() -> tuple[Volume, Volume]:
    """Balls; some are missed, moved, cut in two or joined."""
    rng = np.random.default_rng(0)
    truth, found = np.zeros(_SHAPE, np.int32), np.zeros(_SHAPE, np.int32)
    cells = rng.permutation(np.argwhere(np.ones((13, 20, 20))))[:_N_OBJECTS]
    places = cells * (19, 25, 25) + (9, 12, 12)
    for number, place in enumerate(places, start=1):
        radius = rng.integers(5, 10)
        _ball(truth, place, radius, number)
        if number % 20:
            moved = place + rng.integers(-2, 3, 3)
            _ball(found, moved, radius, number - (number % 17 == 0))
    half = found[:, ::2]
    half[half % 13 == 0] *= -1
    found[found < 0] = _N_OBJECTS - found[found < 0]
    return truth, found


def _ball(labels: Volume, place: Volume, radius: int, number: int) -> None:
    box = tuple(slice(max(c - radius, 0), c + radius + 1) for c in place)
    grid = np.ogrid[box]
    far = sum((g - c) ** 2 for g, c in zip(grid, place, strict=True))
    labels[box][far <= radius**2] = number


def _ours(truth: Volume, found: Volume) -> Scores:
    """AP at ten thresholds, PQ, Rand, VOI and the list of objects."""
    total = evaluate(truth, found, target="instances", objects=True).total
    (summary,), (at_half, _) = total.summaries or (), total.objects or ()
    return {
        "PQ": at_half.pq or 0.0,
        "mean AP": summary.mean_ap or 0.0,
        "Rand F": summary.partition.rand_f or 0.0,
        "VOI split": summary.partition.voi_split or 0.0,
        "VOI merge": summary.partition.voi_merge or 0.0,
    }


def _others(truth: Volume, found: Volume) -> Scores:
    from skimage.metrics import adapted_rand_error, variation_of_information

    error = adapted_rand_error(truth, found, ignore_labels=(0,))[0]
    split, merge = variation_of_information(truth, found, ignore_labels=(0,))
    return {
        "Rand F": 1 - float(error),
        "VOI split": float(split),
        "VOI merge": float(merge),
    }


def _our_parts(truth: Volume, found: Volume) -> Scores:
    scores = {}
    for name, part in _parts():
        sides = truth[part], found[part]
        total = evaluate(*sides, target="instances", objects=True).total
        scores[name] = (total.objects or ())[0].pq or 0.0
    return scores


def _monai_parts(truth: Volume, found: Volume) -> Scores:
    return {name: _monai_pq(truth, found, part) for name, part in _parts()}


def _monai_pq(truth: Volume, found: Volume, part: Box) -> float:
    import torch
    from monai.metrics import compute_panoptic_quality

    sides = [torch.from_numpy(side[part].copy()) for side in (found, truth)]
    return float(compute_panoptic_quality(*sides))


def _parts() -> Iterator[tuple[str, Box]]:
    for place in itertools.product(range(_CUTS), repeat=3):
        edges = zip(place, (size // _CUTS for size in _SHAPE), strict=True)
        yield str(place), tuple(slice(n * size, (n + 1) * size) for n, size in edges)


def _monai_grown(truth: Volume, found: Volume, n: int) -> Scores:
    """One part, of an n-th of the volume."""
    _, (_, rows, columns) = next(_parts())
    depth = slice(0, _SHAPE[0] * _CUTS**2 // n)
    part = depth, rows, columns
    n_objects = len(np.unique(truth[part])) - 1
    return {"PQ": _monai_pq(truth, found, part), "objects": n_objects}


_SIDES = {
    "ours": _ours,
    "parts": _our_parts,
    "others": _others,
    "monai": _monai_parts,
    **{f"1/{n}": lambda a, b, n=n: _monai_grown(a, b, n) for n in _GROWTH},
}


def _measure(who: str, *paths: str) -> None:
    if who not in ("ours", "parts"):
        import_module("skimage.metrics" if who == "others" else "monai.metrics")
    truth, found = (np.load(path) for path in paths)
    measure(lambda: _SIDES[who](truth, found), truth.nbytes + found.nbytes)


if __name__ == "__main__":
    _measure(*sys.argv[1:])
