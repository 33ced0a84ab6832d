"""``segtrain predict --preview``: which blocks would be left empty, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from napari_segtrain.cli.interruption import interruptible
from napari_segtrain.cli.volume_run import StoreJob
from napari_segtrain.evaluation.table import format_rows
from napari_segtrain.inference.volume.preview import VolumePreview

_COLUMNS = (
    "image", "blocks", "predicted", "empty:_outside_region", "outside_mask", "dark",
    "share_of_voxels", "at_most",
)  # fmt: skip
_NOTE = (
    "Nothing was written. Sizes are those of all stores of an image, before a "
    "compression that makes labels many times smaller."
)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000


def show_preview(jobs: Sequence[StoreJob]) -> None:
    """Look at the blocks of images and print a table.

    Raises
    ------
    SegtrainError
        As of `iter_preview`.
    typer.Exit
        When a signal came.
    """
    rows = []
    with interruptible("nothing is written") as control:
        for job in jobs:
            found = job.preview(control)
            if control.is_stopping:
                raise control.leave()
            rows.append(_row(job.name, found))
    typer.echo(format_rows(rows, _COLUMNS))
    typer.echo(_NOTE)


def _row(name: str, found: VolumePreview) -> dict[str, object]:
    numbers = (
        found.n_total,
        found.n_blocks(None),
        found.n_blocks("region"),
        found.n_blocks("mask"),
        found.n_blocks("dark"),
    )
    ends = f"{found.share:.1%}", _size_text(found.n_bytes)
    return dict(zip(_COLUMNS, (name, *numbers, *ends), strict=True))


def _size_text(n_bytes: float) -> str:
    """Three digits and a unit."""
    for unit in _UNITS[:-1]:
        if n_bytes < _STEP:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= _STEP
    return f"{n_bytes:,.0f} {_UNITS[-1]}"
