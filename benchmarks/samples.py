"""The bundled samples with the defaults and a minute each."""

from __future__ import annotations

import statistics

from benchmarks.commands import train_and_score
from napari_segtrain.data.samples import SAMPLES, sample_dir


def run(n_seeds: int) -> None:
    for sample in SAMPLES:
        folder = sample_dir(sample.name)
        data = {
            "images": folder / "train/image",
            "labels": folder / "train/label",
            "test_images": folder / "test/image",
            "test_labels": folder / "test/label",
            "objects": sample.name == "nuclei",
        }
        scores = []
        for seed in range(n_seeds):
            result = train_and_score(data, 60, "--seed", seed)
            scores.append(result["report"]["overall"]["iou"])
            objects = result["report"].get("objects") or []
            f1 = [f"F1@{row['threshold']:g} {row['f1']:.3f}" for row in objects]
            print(
                f"{sample.name}, seed {seed}: IoU {scores[-1]:.4f}, "
                f"{result['iterations']} iterations, {result['wall']:.0f} s "
                + ", ".join(f1),
                flush=True,
            )
        print(f"{sample.name}: median IoU {statistics.median(scores):.4f}", flush=True)
