"""The curves of a run as a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_segtrain.io.atomic import atomic_path
from napari_segtrain.training.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


def draw_curves(run_dir: Path) -> Path | None:
    """Draw losses, scores and the learning rate of a run against time.

    Returns
    -------
    Path or None
        ``curves.png`` in the run folder; ``None`` when no epoch has ended.
    """
    from matplotlib.figure import Figure

    rows = RunFolder(run_dir).read_metrics()
    if not rows:
        return None
    figure = Figure(figsize=(7, 7), layout="constrained")
    loss, score, rate = figure.subplots(3, 1, sharex=True)
    _plot(loss, rows, "training_loss", "training")
    _plot(loss, rows, "validation_loss", "validation")
    loss.set_ylabel("loss")
    for name in rows[0]["iou"]:
        _plot(score, [row | {"iou": row["iou"].get(name)} for row in rows], "iou", name)
    score.set_ylabel("validation IoU")
    score.set_ylim(0, 1)
    _plot(rate, rows, "learning_rate", "learning rate")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("seconds")
    for axes in (loss, score):
        if axes.get_lines():
            axes.legend(frameon=False)
    path = run_dir / "curves.png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path


def _plot(axes: Any, rows: list[dict[str, Any]], key: str, label: str) -> None:
    known = [(row["seconds"], row[key]) for row in rows if row[key] is not None]
    if known:
        seconds, values = zip(*known, strict=True)
        axes.plot(seconds, values, marker="o", markersize=3, label=label)
