"""Training in the viewer against the same run on the command line.

The dock is driven in a process of its own (`benchmarks.viewer_run`), under a virtual
display, by turns with the command line; both train the bundled axons with the same
config. Compared is the time between the first and the last validation.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.commands import scratch, segtrain
from napari_segtrain.data.samples import sample_dir

if TYPE_CHECKING:
    from pathlib import Path

ITERATIONS = 150
PER_EPOCH = 25
_TURNS = 3


def run() -> None:
    """Print the ratio of the two, how fast the dock opens, and what ten runs leave."""
    command, viewer, opening = [], [], []
    for turn in range(_TURNS):
        command.append(_on_the_command_line())
        said = _in_the_viewer("speed")
        viewer.append(said["seconds_per_iteration"])
        opening.append(said["seconds_to_open"])
        ratio = viewer[-1] / command[-1]
        print(
            f"turn {turn + 1}: {1000 * command[-1]:.0f} ms per iteration on the "
            f"command line, {1000 * viewer[-1]:.0f} ms in the viewer, ratio "
            f"{ratio:.3f}; the dock opened in {opening[-1]:.2f} s",
            flush=True,
        )
    ratios = [a / b for a, b in zip(viewer, command, strict=True)]
    print(
        f"median ratio {statistics.median(ratios):.3f}, dock {max(opening):.2f} s",
        flush=True,
    )
    for line in _in_the_viewer("leaks")["lines"]:
        print(line, flush=True)


def run_first_block() -> None:
    """Print how long the first labels of a large image take, from the click."""
    for name, seconds in _in_the_viewer("first-block").items():
        print(f"{name}: {seconds:.2f} s (at most 3 s when warm)", flush=True)


def run_responses() -> None:
    """Print how soon previews of objects, and objects that are clicked, are shown."""
    for name, seconds in _in_the_viewer("previews").items():
        print(f"preview, {name}: {1000 * seconds:.0f} ms (at most 300)", flush=True)
    for name, seconds in _in_the_viewer("clicks").items():
        print(f"click, {name}: {1000 * seconds:.0f} ms (at most 200)", flush=True)


def _on_the_command_line() -> float:
    data = sample_dir("axons") / "train"
    with scratch() as folder:
        segtrain(
            "train", "--images", data / "image", "--labels", data / "label",
            "--iterations", ITERATIONS, "--set",
            f"training.iterations_per_epoch={PER_EPOCH}", "--output", folder / "run",
        )  # fmt: skip
        return seconds_per_iteration(folder / "run")


def seconds_per_iteration(run: Path) -> float:
    """Of a run, between its first and last validation, the validations included."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    seconds = last["seconds"] - first["seconds"]
    return float(seconds / (last["iteration"] - first["iteration"]))


def _in_the_viewer(what: str) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.viewer_run", what]
    if not os.environ.get("DISPLAY"):
        program = shutil.which("xvfb-run")
        if program is None:
            raise SystemExit("install xvfb, or run this with a display")
        screen = ["--auto-servernum", "--server-args", "-screen 0 1600x1000x24"]
        command = [program, *screen, *command]
    with scratch() as folder:
        environment = {
            **os.environ,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "SEGTRAIN_RUN_FOLDER": str(folder),
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result
