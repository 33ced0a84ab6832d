"""What is wrong with the choice, or unlike the training, and what helps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_segtrain.inference.likeness import (
    Difference,
    differences_from_training,
    sample_image,
)
from napari_segtrain.ui.latest_job import LatestJob

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from napari_segtrain.image import Image
    from napari_segtrain.workflows.run_info import RunInfo

_DELAY_MS = 300
_MAX_IMAGES = 8
"""Of which voxels are looked at."""


class LikenessNote(QWidget):
    """Says why a prediction cannot start, or what of the images is unlike the training.

    Intensities are read in a thread, a few slices of each image.

    Attributes
    ----------
    changed : Signal()
        Rescaling was switched on or off.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel()
        self.rescale_box = QCheckBox("&Rescale to the voxel size of the training")
        self._job = LatestJob("Looking at intensities", self)
        self._key: Hashable = None
        self._quick: list[Difference] = []
        self._slow: list[Difference] = []
        self._problem = ""
        self._build_layout()
        self.rescale_box.toggled.connect(self._on_rescale_toggled)
        self._job.succeeded.connect(self._on_job_succeeded)
        self._show()

    @property
    def text(self) -> str:
        """What is said; empty when there is nothing to say."""
        return "" if self.label.isHidden() else self.label.text()

    def show_problem(self, text: str) -> None:
        """Say why a prediction cannot start; empty when it can."""
        self._problem = text
        self._show()

    def compare(self, info: RunInfo | None, images: Sequence[Image], key: Any) -> None:
        """Compare images with the training of a model.

        Parameters
        ----------
        info : RunInfo, optional
            Of the model.
        images : sequence of Image
            That fit the model.
        key : hashable
            By which the same choice is known again: nothing is read twice for it.
        """
        self._quick = [
            difference
            for image in images
            if info is not None
            for difference in differences_from_training(info, image)
        ]
        if key != self._key:
            self._key, self._slow = key, []
            self._job.forget()
            if info is not None and images:
                work = partial(_of_intensities, info, list(images[:_MAX_IMAGES]))
                self._job.ask(work, delay=_DELAY_MS)
        self._show()

    def _build_layout(self) -> None:
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.rescale_box.setToolTip(
            "The network sees the image at the voxel size of its training; the result "
            "has the voxels of the image"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.label)
        layout.addWidget(self.rescale_box)

    def _show(self) -> None:
        is_rescaled = self.rescale_box.isChecked()
        found = [*self._quick, *self._slow]
        can_rescale = any(each.remedy == "rescale" for each in found)
        open_ones = [
            each.text
            for each in found
            if not (is_rescaled and each.remedy == "rescale")
        ]
        text = self._problem or "\n".join(dict.fromkeys(open_ones))
        self.label.setText(text)
        self.label.setVisible(bool(text))
        self.rescale_box.setVisible(can_rescale or is_rescaled)
        self.setVisible(bool(text) or can_rescale or is_rescaled)

    def _on_rescale_toggled(self) -> None:
        self._show()
        self.changed.emit()

    def _on_job_succeeded(self, found: list[Difference]) -> None:
        self._slow = found
        self._show()


def _of_intensities(info: RunInfo, images: Sequence[Image]) -> list[Difference]:
    """Differences that voxels tell; to be run in a thread."""
    return [
        difference
        for image in images
        for difference in differences_from_training(info, image, sample_image(image))
        if difference.kind == "intensities"
    ]
