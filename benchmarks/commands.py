"""The product as its user runs it, timed from outside."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESS = Path("/proc/self")


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def segtrain(*arguments: object) -> tuple[float, str]:
    """Run a command; return its seconds and what it printed."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "napari_segtrain", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start, done.stdout


def train_and_score(
    data: dict[str, Path], seconds: float | None, *options: object
) -> dict[str, Any]:
    """Train, predict and evaluate in a scratch folder; scores, seconds, the network.

    Without seconds the options tell how long.
    """
    length = () if seconds is None else ("--time-budget", f"{seconds}s")
    with scratch() as folder:
        run = folder / "run"
        wall, _ = segtrain(
            "train", "--images", data["images"], "--labels", data["labels"],
            *length, "--output", run, *options,
        )  # fmt: skip
        report = score_images(run, data)
        row = (run / "metrics.jsonl").read_text().splitlines()[-1]
        network = json.loads((run / "plan.json").read_text())["network"]
    return {
        **report,
        "wall": wall,
        "iterations": json.loads(row)["iteration"],
        "network": network,
    }


def planned_network(data: dict[str, Path], *options: object) -> Any:
    """What a training would take, from one of a single iteration."""
    with scratch() as folder:
        run = folder / "run"
        segtrain(
            "train", "--images", data["images"], "--labels", data["labels"],
            "--iterations", 1, "--output", run, *options,
        )  # fmt: skip
        return json.loads((run / "plan.json").read_text())["network"]


def score(run: Path, data: dict[str, Path], *settings: object) -> dict[str, Any]:
    """Predict the test images with a run and evaluate them; the totals."""
    report: dict[str, Any] = score_images(run, data, *settings)["report"]
    return report


def score_images(run: Path, data: dict[str, Path], *settings: object) -> dict[str, Any]:
    """Predict the test images and evaluate them; the totals, and each image."""
    with scratch() as folder:
        out, report = folder / "out", folder / "report"
        segtrain("predict", run, data["test_images"], "--output", out, *settings)
        extra = ["--objects"] if data.get("objects") else []
        segtrain("evaluate", data["test_labels"], out, "--output", report, *extra)
        found: dict[str, Any] = json.loads((report / "metrics.json").read_text())
    return {"report": found["total"], "images": found["images"]}


def peak_rss_gb() -> float:
    """Greatest resident memory of any child so far, in GB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9


def forget_peak() -> None:
    """Count the peak of this process from now on; only on Linux."""
    _PROCESS.joinpath("clear_refs").write_text("5")


def peak_bytes() -> int:
    """Greatest resident memory of this process, in bytes; only on Linux."""
    [size] = re.findall(r"VmHWM:\s+(\d+) kB", _PROCESS.joinpath("status").read_text())
    return int(size) * 1024
