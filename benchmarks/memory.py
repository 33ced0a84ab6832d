"""The plan's memory estimate against what a training really takes, for every network.

Each network is trained for a few iterations on a bundled sample, with its defaults and
in a process of its own. Measured is the greatest resident memory from before network,
optimizer and readers are made until the last iteration, less what the process holds
before: Python, its libraries, and what a training of a tiny network has left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.commands import forget_peak, peak_bytes
from napari_segtrain.config import parse_experiment
from napari_segtrain.config.network import DIMS_OF
from napari_segtrain.data.batches import iter_batches
from napari_segtrain.data.samples import sample_dir
from napari_segtrain.training.learner import Learner
from napari_segtrain.workflows.training import open_training_data, plan_training

if TYPE_CHECKING:
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.training.plan import TrainingPlan

_ITERATIONS = 5
_SAMPLES = {2: "nuclei", 3: "embryo"}
_TOLERANCE = 0.25
_TINY = {"name": "unet", "depth": 1, "first_filters": 1, "stem": 1}
_TINY_PATCH = {2: [1, 16, 16], 3: [8, 8, 8]}


def run() -> None:
    """Print a row for every network and its dimensions."""
    print("| network | dimensions | estimate, MB | measured, MB | ratio |")
    print("|---|---|---|---|---|")
    for name, all_dims in DIMS_OF.items():
        for dims in all_dims:
            row = _in_own_process(name, dims)
            ratio = row["estimate"] / row["measured"]
            mark = "" if abs(ratio - 1) <= _TOLERANCE else " !"
            print(
                f"| {name} | {dims} | {row['estimate'] / 1e6:.0f} | "
                f"{row['measured'] / 1e6:.0f} | {ratio:.2f}{mark} |",
                flush=True,
            )


def _in_own_process(name: str, dims: int) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.memory", name, str(dims)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, dims: int, settings: dict[str, Any]) -> dict[str, int]:
    """Estimate and measured memory of a training, in bytes; only on Linux."""
    _train(*_planned(dims, _TINY, patch_size=_TINY_PATCH[dims]))
    plan, dataset = _planned(dims, {"name": name, **settings})
    before = psutil.Process().memory_info().rss
    forget_peak()
    _train(plan, dataset)
    return {"estimate": plan.memory_bytes, "measured": peak_bytes() - before}


def _planned(
    dims: int, network: dict[str, Any], **sampling: Any
) -> tuple[TrainingPlan, Dataset]:
    folder = sample_dir(_SAMPLES[dims]) / "train"
    values = {
        "data": {"images": str(folder / "image"), "labels": str(folder / "label")},
        "network": {**network, "dims": dims},
        "sampling": sampling,
        "training": {"device": "cpu"},
    }
    config = parse_experiment(values, source="the benchmark")
    dataset = open_training_data(config).dataset
    return plan_training(dataset, config), dataset


def _train(plan: TrainingPlan, dataset: Dataset) -> None:
    learner = Learner(plan, dataset)
    threads = plan.config.sampling.loader_threads
    batches = iter_batches(learner.source, 0, n_threads=threads)
    for iteration in range(_ITERATIONS):
        learner.step(next(batches), plan.learning_rate)
        learner.accept(iteration)
    batches.close()


if __name__ == "__main__":
    name, dims, *rest = sys.argv[1:]
    extra = json.loads(rest[0]) if rest else {}
    print(json.dumps(measure(name, int(dims), extra)))
