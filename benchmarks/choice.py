"""The automatic choice of a network against 2D, 2.5D, 3D and anisotropic ones.

Two volumes: the larval nerve cord in serial sections (slices 0-13 for training, 14-19
for the score; membranes, mitochondria, synapses) and embryo nuclei (8-cell stage, then
16-cell). The automatic choice has the result of the network that it is. A row is
written after each training, and rows that are there already are not made again, so that
the benchmark may be interrupted.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import tifffile

from benchmarks.commands import planned_network, scratch, train_and_score
from benchmarks.sections import write_sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.rows import Rows

AUTOMATIC = "automatic"
NETWORKS: dict[str, tuple[str, ...]] = {
    "2D": ("--dims", "2"),
    "2.5D": ("--network", "unet-2.5d"),
    "3D": ("--dims", "3", "--set", "network.flat_levels=0"),
    "anisotropic": ("--dims", "3"),
    AUTOMATIC: (),
}
TOLERANCE = 0.01


def run(data: Path, budget: float, n_seeds: int, rows: Rows) -> None:
    with scratch() as folder:
        for name, prepare in _DATA.items():
            files = prepare(data, folder)
            keys = {"benchmark": "choice", "data": name, "budget": budget}
            for seed in range(n_seeds):
                for network in NETWORKS:
                    key = {**keys, "seed": seed, "network": network}
                    if not rows.where(**key):
                        rows.add(_result(files, key, rows) | key)
                        print(_line(rows.where(**key)[0]), flush=True)
            _report(name, rows.where(**keys))


def _result(files: dict[str, Path], key: dict[str, Any], rows: Rows) -> dict[str, Any]:
    options = NETWORKS[key["network"]]
    if key["network"] == AUTOMATIC:
        others = {name: key[name] for name in key if name != "network"}
        chosen = planned_network(files)
        for row in rows.where(**others, settings=chosen):
            return row
    result = train_and_score(files, key["budget"], "--seed", key["seed"], *options)
    report = result["report"]
    classes = {
        row["name"]: row["iou"]
        for row in report["classes"]
        if row["name"] != "background"
    }
    return {
        "iou": report["overall"]["iou"],
        "classes": classes,
        "settings": result["network"],
        "iterations": result["iterations"],
    }


def _line(row: dict[str, Any]) -> str:
    classes = ", ".join(f"{name} {iou:.3f}" for name, iou in row["classes"].items())
    return (
        f"{row['data']}, {row['network']}, {row['budget']:g} s, seed {row['seed']}: "
        f"mean IoU {row['iou']:.4f} ({classes}; {row['iterations']} iterations)"
    )


def _report(name: str, rows: list[dict[str, Any]]) -> None:
    medians = dict(_medians(rows))
    for network, iou in medians.items():
        print(f"{name}: {network} median {iou:.4f}")
    best = max(iou for network, iou in medians.items() if network != AUTOMATIC)
    gain = medians[AUTOMATIC] - best
    verdict = "reached" if gain >= -TOLERANCE else "missed"
    print(f"{name}: automatic choice {gain:+.4f} to the best, {verdict}", flush=True)


def _medians(rows: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    for network in NETWORKS:
        yield (
            network,
            statistics.median(r["iou"] for r in rows if r["network"] == network),
        )


def _nerve_cord(data: Path, folder: Path) -> dict[str, Path]:
    image = tifffile.imread(data / "vnc_sstem/image.ome.tif")
    labels = tifffile.imread(data / "vnc_sstem/label.ome.tif")
    parts = {
        "images": image[:14],
        "labels": labels[:14],
        "test_images": image[14:],
        "test_labels": labels[14:],
    }
    files = {}
    for name, array in parts.items():
        files[name] = folder / f"nerve_cord_{name}.ome.tif"
        write_sections(files[name], array, pixel=0.0046, thickness=0.05)
    return files


def embryo(data: Path, folder: Path) -> dict[str, Path]:
    del folder
    source = data / "embryo_nuclei_3d"
    return {
        "images": source / "train/image.ome.tif",
        "labels": source / "train/label.ome.tif",
        "test_images": source / "test/image.ome.tif",
        "test_labels": source / "test/label.ome.tif",
    }


_DATA: dict[str, Callable[[Path, Path], dict[str, Path]]] = {
    "nerve cord": _nerve_cord,
    "embryo nuclei": embryo,
}
