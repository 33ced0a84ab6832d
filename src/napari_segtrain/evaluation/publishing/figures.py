"""Scores as pictures, for reports."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.evaluation.confusion import ConfusionTable
from napari_segtrain.evaluation.publishing.document import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_segtrain.evaluation.probability import ProbabilityScores
    from napari_segtrain.evaluation.semantic import SemanticScores
    from napari_segtrain.evaluation.slices import SliceScores
    from napari_segtrain.image import ClassTable

_DPI = 130
_MANY = 12
"""Classes from which a confusion matrix shows no numbers."""
_DARK = 0.5


def confusion_picture(scores: SemanticScores, classes: ClassTable) -> Picture:
    """Draw shares of each true class by predicted class, as heat map."""
    table = ConfusionTable.of(scores, classes)
    side = 2.2 + 0.55 * len(table.columns)
    figure, axes = _figure(side + 1, side)
    axes.imshow(table.shares, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=45, ha="right")
    axes.set_yticks(range(len(table.rows)), table.rows)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(table.rows) < _MANY:
        for (y, x), share in np.ndenumerate(table.shares):
            color = "white" if share > _DARK else "black"
            text = f"{100 * share:.1f}"
            axes.text(x, y, text, ha="center", va="center", color=color, fontsize=8)
    caption = "Confusion matrix: percent of the voxels of each true class."
    return _picture(figure, caption)


def slice_picture(slices: Sequence[SliceScores], classes: ClassTable) -> Picture:
    """Draw the IoU of each class over the slices, in their order."""
    figure, axes = _figure(7, 2.8)
    for index in classes.foreground:
        row = classes.classes[index]
        values = [part.class_iou[index] for part in slices]
        known = [np.nan if value is None else value for value in values]
        marker = "o" if len(known) < 60 else ""  # noqa: PLR2004 - points to a line
        axes.plot(known, marker=marker, markersize=3, label=row.name, color=row.color)
    axes.set_ylim(0, 1)
    axes.set_xlabel("slice")
    axes.set_ylabel("IoU")
    axes.legend(frameon=False)
    return _picture(figure, "IoU of each slice, images one after another.")


def curve_pictures(maps: Sequence[ProbabilityScores]) -> list[Picture]:
    """Draw IoU over threshold, precision over recall, and calibration."""
    pictures = []
    figure, axes = _figure(4.4, 3.2)
    for scores in maps:
        axes.plot(scores.thresholds, scores.iou(), label=scores.class_name)
        if scores.best_threshold is not None:
            axes.axvline(scores.best_threshold, color="gray", linewidth=0.8)
    _finish(axes, "threshold", "IoU")
    caption = "IoU at every threshold; the best ones are tuned on these data."
    pictures.append(_picture(figure, caption))
    figure, axes = _figure(4.4, 3.2)
    for scores in maps:
        axes.plot(scores.recall(), scores.precision(), label=scores.class_name)
    _finish(axes, "recall", "precision")
    pictures.append(_picture(figure, "Precision and recall at every threshold."))
    figure, axes = _figure(4.4, 3.2)
    axes.plot([0, 1], [0, 1], color="gray", linewidth=0.8)
    for scores in maps:
        found = scores.calibration()
        axes.plot(found.predicted, found.observed, marker="o", label=scores.class_name)
    _finish(axes, "mean probability", "share of the class")
    caption = "Calibration: on the line, a probability of 0.8 is right in 80 %."
    pictures.append(_picture(figure, caption))
    return pictures


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False)


def _picture(figure: Figure, caption: str) -> Picture:
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    return Picture(stream.getvalue(), caption)
