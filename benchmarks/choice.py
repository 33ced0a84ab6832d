"""The automatic choice of a network against 2D, 2.5D, 3D and anisotropic ones.

Two volumes: the larval nerve cord in serial sections (slices 0-13 for training, 14-19
for the score; membranes, mitochondria, synapses) and embryo nuclei (8-cell stage, then
16-cell). A row is written after each training, and rows that are there already are not
made again, so that the benchmark may be interrupted.
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import tifffile

from benchmarks.commands import scratch, train_and_score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AUTOMATIC = "automatic"
NETWORKS: dict[str, tuple[str, ...]] = {
    AUTOMATIC: (),
    "2D": ("--dims", "2"),
    "2.5D": ("--network", "unet-2.5d"),
    "3D": ("--dims", "3", "--set", "network.flat_levels=0"),
    "anisotropic": ("--dims", "3"),
}
TOLERANCE = 0.01
_NERVE_CORD_SIZE = {
    "axes": "ZYX",
    "PhysicalSizeX": 0.0046,
    "PhysicalSizeY": 0.0046,
    "PhysicalSizeZ": 0.05,
}


def run(data: Path, budget: float, n_seeds: int, rows_file: Path) -> None:
    with scratch() as folder:
        for name, prepare in _DATA.items():
            files = prepare(data, folder)
            for seed in range(n_seeds):
                _run_seed(name, files, budget, seed, rows_file)
            _report(name, _rows(rows_file, name, budget))


def _run_seed(
    name: str, files: dict[str, Path], budget: float, seed: int, rows_file: Path
) -> None:
    done = {(r["network"], r["seed"]) for r in _rows(rows_file, name, budget)}
    for network, options in NETWORKS.items():
        if (network, seed) in done:
            continue
        result = train_and_score(files, budget, "--seed", seed, *options)
        row = {
            "data": name,
            "network": network,
            "budget": budget,
            "seed": seed,
            "iou": result["report"]["overall"]["iou"],
            "iterations": result["iterations"],
        }
        with rows_file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(_line(row), flush=True)


def _rows(file: Path, name: str, budget: float) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [r for r in rows if r["data"] == name and r["budget"] == budget]


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['data']}, {row['network']}, {row['budget']:g} s, seed {row['seed']}: "
        f"mean IoU {row['iou']:.4f} ({row['iterations']} iterations)"
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
        tifffile.imwrite(files[name], array, ome=True, metadata=_NERVE_CORD_SIZE)
    return files


def _embryo(data: Path, folder: Path) -> dict[str, Path]:
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
    "embryo nuclei": _embryo,
}
