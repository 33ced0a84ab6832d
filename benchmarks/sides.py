"""Sides of a comparison, each computed in a process of its own from the same files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.commands import forget_peak, peak_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Scores = dict[str, float]
_ROUNDING = 1e-4


def measured(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module that calls `measure`; what that printed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(work: Callable[[], Scores], n_bytes: int) -> None:
    """Print the scores, their seconds and the greatest resident memory, in bytes.

    What is to be imported and loaded, ``n_bytes`` of input, is there already.
    """
    forget_peak()
    before, start = peak_bytes(), time.perf_counter()
    scores = work()
    row = {
        "seconds": time.perf_counter() - start,
        "peak": peak_bytes(),
        "before": before,
        "inputs": n_bytes,
        "scores": scores,
    }
    print(json.dumps(row))


def report_memory(who: str, row: Mapping[str, Any]) -> None:
    """Print the peak of a side."""
    print(
        f"  {who}: peak RSS {row['peak'] / 1e9:.2f} GB, "
        f"{row['peak'] / row['inputs']:.2f} times the two inputs of "
        f"{row['inputs'] / 1e9:.2f} GB"
    )


def report_scores(mine: Mapping[str, float], others: Mapping[str, float]) -> None:
    """Print what both sides have, and say where they differ."""
    for name, value in others.items():
        same = abs(mine[name] - value) <= _ROUNDING * max(1.0, abs(value))
        print(
            f"  {name}: {mine[name]:.6f} and {value:.6f}"
            f"{'' if same else ', which differ'}"
        )
