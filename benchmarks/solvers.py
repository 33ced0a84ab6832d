"""Solvers with their usual rates, on six kinds of images, by iterations.

Nothing here is scored on the slices that other benchmarks score. A row is written after
each training, and rows that are there already are not made again.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import tifffile

from benchmarks.choice import embryo
from benchmarks.commands import scratch, train_and_score
from benchmarks.sections import write_sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from benchmarks.rows import Rows

SOLVERS = ("muon", "sgd", "adamw")
_KINDS = ("image", "label")
_FLAT = ("--dims", "2")
_CLASSES = ("--target", "semantic")


def run(data: Path, n_seeds: int, rows: Rows) -> None:
    with scratch() as folder:
        for name, (prepare, n_iterations, options) in _TASKS.items():
            files = prepare(data, folder / name)
            for seed in range(n_seeds):
                for solver in SOLVERS:
                    key = {
                        "benchmark": "solvers",
                        "data": name,
                        "solver": solver,
                        "iterations": n_iterations,
                        "seed": seed,
                    }
                    if not rows.where(**key):
                        rows.add(key | _result(files, key, options))
                    print(_line(rows.where(**key)[0]), flush=True)


def _result(
    files: dict[str, Path], key: dict[str, Any], options: tuple[str, ...]
) -> dict[str, Any]:
    result = train_and_score(
        files, None, "--iterations", key["iterations"], "--seed", key["seed"],
        "--set", f"training.solver={{kind: {key['solver']}}}",
        "--set", "training.tune_decision=false", *options,
    )  # fmt: skip
    report = result["report"]
    classes = {row["name"]: row["iou"] for row in report["classes"][1:]}
    return {"iou": report["overall"]["iou"], "classes": classes}


def _line(row: dict[str, Any]) -> str:
    classes = ", ".join(f"{name} {iou:.3f}" for name, iou in row["classes"].items())
    return (
        f"{row['data']}, {row['solver']}, {row['iterations']} iterations, seed "
        f"{row['seed']}: IoU {row['iou']:.4f} ({classes})"
    )


def _membranes(data: Path, folder: Path) -> dict[str, Path]:
    stack = _stack(data / "membranes_isbi2012")
    return _sections(stack, stack, folder, slice(0, 18), slice(18, 24))


def _strokes(data: Path, folder: Path) -> dict[str, Path]:
    """Labels on 5 % of the voxels; scored on all."""
    source = data / "membranes_isbi2012"
    stack = _stack(source)
    sparse = {**stack, "label": tifffile.imread(source / "strokes.ome.tif")}
    return _sections(sparse, stack, folder, slice(0, 18), slice(18, 24))


def _nerve_cord(data: Path, folder: Path) -> dict[str, Path]:
    stack = _stack(data / "vnc_sstem")
    return _sections(stack, stack, folder, slice(6, 20), slice(0, 6))


def _nuclei(data: Path, folder: Path) -> dict[str, Path]:
    return _images(data / "nuclei_dsb2018/train", folder, lambda n: n % 2 == 1)


def _axons(data: Path, folder: Path) -> dict[str, Path]:
    """Two animals, and a third."""
    return _images(data / "axons_sem", folder, lambda n: n % 3 == 2)


def _stack(source: Path) -> dict[str, npt.NDArray[Any]]:
    return {kind: tifffile.imread(source / f"{kind}.ome.tif") for kind in _KINDS}


def _sections(
    known: dict[str, npt.NDArray[Any]],
    truth: dict[str, npt.NDArray[Any]],
    folder: Path,
    train: slice,
    test: slice,
) -> dict[str, Path]:
    folder.mkdir(parents=True)
    parts = {
        "images": known["image"][train],
        "labels": known["label"][train],
        "test_images": truth["image"][test],
        "test_labels": truth["label"][test],
    }
    files = {name: folder / f"{name}.ome.tif" for name in parts}
    for name, array in parts.items():
        write_sections(files[name], array, pixel=0.0043, thickness=0.05)
    return files


def _images(
    source: Path, folder: Path, is_test: Callable[[int], bool]
) -> dict[str, Path]:
    for kind in _KINDS:
        for part in ("train", "test"):
            (folder / part / kind).mkdir(parents=True)
        for number, path in enumerate(_sorted(source / kind)):
            shutil.copy(path, folder / ("test" if is_test(number) else "train") / kind)
    return {
        "images": folder / "train/image",
        "labels": folder / "train/label",
        "test_images": folder / "test/image",
        "test_labels": folder / "test/label",
    }


def _sorted(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == ".tif")


_TASKS: dict[
    str,
    tuple[Callable[[Path, Path], dict[str, Path]], int, tuple[str, ...]],
] = {
    "membranes": (_membranes, 600, _FLAT),
    "strokes": (_strokes, 300, _FLAT),
    "nerve cord": (_nerve_cord, 250, _FLAT),
    "nuclei": (_nuclei, 200, _CLASSES),
    "axons": (_axons, 300, ()),
    "embryo": (embryo, 100, (*_CLASSES, "--dims", "3")),
}
"""Where the data come from, iterations, and what else the command is told."""
