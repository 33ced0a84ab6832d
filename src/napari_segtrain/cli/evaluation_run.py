"""Evaluation on the terminal: a table, and files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from napari_segtrain.config import DataConfig
from napari_segtrain.io import pair_files, read_image, refuse_existing
from napari_segtrain.workflows import evaluate, open_label_pairs, write_overlays


def start(
    truth: Path,
    segmentation: Path,
    changes: dict[str, Any],
    *,
    output: Path | None,
    images: Path | None,
    objects: bool,
    overwrite: bool,
) -> None:
    """Score, print the table, write CSV, JSON and overlays."""
    if output is not None:
        for name in ("metrics.csv", "metrics.json"):
            refuse_existing(output / name, overwrite=overwrite)
    opened = open_label_pairs(truth, segmentation, DataConfig(**changes))
    for path in opened.unmatched:
        typer.echo(f"! {path} has no partner and is left out", err=True)
    report = evaluate(opened.pairs, objects=objects)
    typer.echo(report.format_table())
    if output is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    report.write_csv(output / "metrics.csv")
    report.write_json(output / "metrics.json")
    typer.echo(f"wrote {output / 'metrics.csv'} and {output / 'metrics.json'}")
    if images is not None:
        paired = pair_files(images, truth).pairs
        opened_images = {label: read_image(image) for image, label in paired}
        folder = write_overlays(output / "overlays", opened.pairs, opened_images)
        typer.echo(f"wrote overlays to {folder}")
