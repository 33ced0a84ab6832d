"""Evaluation on the terminal: a table, and files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from napari_segtrain.errors import OutputError
from napari_segtrain.image import Image
from napari_segtrain.io import pair_files, read_image, read_stack, refuse_existing
from napari_segtrain.workflows.evaluation import (
    OpenedPairs,
    open_label_pairs,
    score_pairs,
    write_overlays,
)
from napari_segtrain.workflows.settings import parse_data, parse_evaluation


def start(
    truth: Path,
    segmentation: Path,
    settings: dict[str, Any],
    *,
    output: Path | None,
    images: Path | None,
    overwrite: bool,
) -> None:
    """Score, print the table, write CSV, JSON and overlays."""
    config, others = parse_evaluation(settings)
    data = parse_data(others)
    _check_output(output, images, overwrite=overwrite)
    opened = open_label_pairs(truth, segmentation, data)
    for path in opened.unmatched:
        typer.echo(f"! {path} has no partner and is left out", err=True)
    pictures = _open_images(images, truth, opened, is_stack=data.stack)
    report = score_pairs(opened.pairs, config)
    typer.echo(report.format_table())
    if output is None:
        return
    if images is not None:
        folder = write_overlays(output / "overlays", opened.pairs, pictures)
        typer.echo(f"wrote overlays to {folder}")
    report.write_csv(output / "metrics.csv")
    report.write_json(output / "metrics.json")
    typer.echo(f"wrote {output / 'metrics.csv'} and {output / 'metrics.json'}")


def _check_output(output: Path | None, images: Path | None, *, overwrite: bool) -> None:
    if output is None:
        if images is not None:
            raise OutputError("Overlays need a folder; give one with --output.")
        return
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; --output names a folder.")
    for name in ("metrics.csv", "metrics.json"):
        refuse_existing(output / name, overwrite=overwrite)


def _open_images(
    images: Path | None, truth: Path, opened: OpenedPairs, *, is_stack: bool
) -> dict[Path, Image]:
    """Image of each ground truth, by the path of the latter."""
    if images is None:
        return {}
    if not is_stack:
        pairs = pair_files(images, truth).pairs
        return {label: read_image(image) for image, label in pairs}
    source = opened.pairs[0].truth.source
    return {source: read_stack(images)} if source else {}
