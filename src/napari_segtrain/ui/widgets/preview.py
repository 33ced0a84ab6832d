"""Validation patches with what the network makes of them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.patch_pictures import mean_iou, pictures_of
from napari_segtrain.ui.widgets.picture_rows import PictureRows, Pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.image import ClassTable
    from napari_segtrain.ui.widgets.patch_pictures import Patch

TITLES = ("image", "ground truth", "prediction")

_DOT = "\N{BLACK CIRCLE}"
_HATCHED = "\N{SQUARE WITH UPPER RIGHT TO LOWER LEFT FILL}"
_NOTHING = "Patches are shown after the first validation."


class PreviewPanel(QWidget):
    """A row per patch: the image, its ground truth, its prediction."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._rows = PictureRows()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._legend)
        layout.addWidget(self._rows)
        layout.addStretch()
        self.clear()

    @property
    def captions(self) -> list[str]:
        """One sentence per patch."""
        return self._rows.captions

    def show_patches(self, patches: Sequence[Patch], classes: ClassTable) -> None:
        """Show other patches, or the same ones later in a run.

        Parameters
        ----------
        patches : sequence of PreviewPatch
            Image of shape (C, Y, X); truth and prediction of shape (Y, X).
        classes : ClassTable
            Names and colors of the class indices.
        """
        has_slices = any(patch.z for patch in patches)
        rows = []
        for patch in patches:
            caption = caption_of(patch, classes, has_slices=has_slices)
            rows.append(Pictures(pictures_of(patch, classes), TITLES, caption))
        self._rows.show_rows(rows)
        self._legend.setText(legend_of(classes) if patches else _NOTHING)

    def clear(self) -> None:
        """Show no patches."""
        self._rows.show_rows([])
        self._legend.setText(_NOTHING)


def caption_of(patch: Patch, classes: ClassTable, *, has_slices: bool) -> str:
    """Name, slice and score of a patch."""
    score = mean_iou(patch, classes)
    parts = [patch.name]
    if has_slices:
        parts.append(f"slice {patch.z}")
    parts.append("IoU -" if score is None else f"IoU {score:.2f}")
    if not getattr(patch, "is_held_out", True):
        parts.append("trained on")
    return " · ".join(parts)


def legend_of(classes: ClassTable) -> str:
    """Colors and names of the foreground classes, as HTML."""
    rows = [classes.classes[index] for index in classes.foreground]
    parts = [
        f'<span style="color:{row.color}">{_DOT}</span>&nbsp;'
        + html.escape(row.name).replace(" ", "&nbsp;")
        for row in rows
    ]
    return " &nbsp;".join([*parts, f"{_HATCHED}&nbsp;unlabelled"])
