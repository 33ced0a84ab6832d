"""Run benchmarks by name: ``python -m benchmarks [NAME ...] [--data DIR]``.

Without a name, those that need no data beyond the bundled samples are run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import (
    augmentation,
    choice,
    contention,
    evaluation,
    fine_tuning,
    large_volume,
    loop_overhead,
    membranes,
    memory,
    networks,
    nuclei,
    objects,
    prediction,
    samples,
    separation,
    solvers,
    viewer,
    volumes,
)
from benchmarks.rows import Rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help="what to run")
    parser.add_argument(
        "--data", type=Path, help="folder that holds membranes_isbi2012 and others"
    )
    parser.add_argument("--baseline", type=Path, help="script of the baseline loop")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--budget",
        type=float,
        help="seconds of each training (choice, networks: 300; nuclei and separation: "
        "180), or of the longest (fine-tuning: 300)",
    )
    parser.add_argument(
        "--rows",
        type=Path,
        default=Path("benchmarks.jsonl"),
        help="file of results, written as they are made; those in it are not made "
        "again (choice, fine-tuning, membranes, networks, nuclei, separation, solvers)",
    )
    options = parser.parse_args()
    rows = Rows(options.rows)
    bundled = {
        "augmentation": augmentation.run,
        "loop-overhead": loop_overhead.run,
        "contention": contention.run,
        "large-volume": large_volume.run,
        "memory": memory.run,
        "evaluation": evaluation.run,
        "objects": objects.run,
        "prediction": prediction.run,
        "viewer": viewer.run,
        "first-block": viewer.run_first_block,
        "responses": viewer.run_responses,
        "volumes": volumes.run,
        "samples": lambda: samples.run(options.seeds),
    }
    with_data = {
        "membranes": lambda: membranes.run(
            options.data, options.baseline, options.seeds, rows
        ),
        "strokes": lambda: membranes.run_strokes(options.data, options.seeds),
        "fine-tuning": lambda: fine_tuning.run(
            options.data, options.budget or 300, options.seeds, rows
        ),
        "nuclei": lambda: nuclei.run(
            options.data, options.budget or 180, options.seeds, rows
        ),
        "separation": lambda: separation.run(
            options.data, options.budget or 180, options.seeds, rows
        ),
        "choice": lambda: choice.run(
            options.data, options.budget or 300, options.seeds, rows
        ),
        "solvers": lambda: solvers.run(options.data, options.seeds, rows),
        "networks": lambda: networks.run(options.data, options.budget or 300, rows),
    }
    known = bundled | with_data
    for name in options.names or bundled:
        if name not in known:
            parser.error(f"unknown benchmark {name}; choose from {', '.join(known)}")
        if name in with_data and options.data is None:
            parser.error(f"{name} needs --data")
        print(f"## {name}", flush=True)
        known[name]()


if __name__ == "__main__":
    main()
