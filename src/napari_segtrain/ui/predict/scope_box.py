"""How much of the images is predicted: slices, times, level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

from napari_segtrain.axes import CHANNEL_AXIS, SPATIAL_AXES
from napari_segtrain.ui.layers.transforms import layer_axes, level_factors
from napari_segtrain.ui.predict.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image

ALL, CURRENT, RANGE = range(3)
_WORDS = {"T": "times", "S": "scenes", "P": "positions"}


class ScopeBox(QWidget):
    """Choices that are shown only for the axes that the images have.

    Attributes
    ----------
    changed : Signal()
        Another part is chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slices_box = QComboBox()
        self.first_spin, self.last_spin = QSpinBox(), QSpinBox()
        self.frames_box = QComboBox()
        self.level_box = QComboBox()
        self._range = QWidget()
        self._sizes: dict[str, int] = {}
        self._n_levels = 1
        self._build_layout()
        self._connect()
        self.set_sizes({}, ())

    @property
    def level(self) -> int:
        """Level of multiscale layers."""
        return max(0, self.level_box.currentIndex())

    def set_level(self, level: int) -> None:
        """Choose a level."""
        self.level_box.setCurrentIndex(level)

    def set_sizes(self, sizes: Mapping[str, int], levels: Sequence[str]) -> None:
        """Say what the images have.

        Parameters
        ----------
        sizes : mapping of str to int
            Largest size of each axis but channels.
        levels : sequence of str
            Sizes of the levels, for people; empty for images of one level.
        """
        with QSignalBlocker(self):
            self._sizes = dict(sizes)
            n_slices = self._sizes.get("Z", 1)
            self._form.setRowVisible(self.slices_box, n_slices > 1)
            self._show_range()
            for spin in (self.first_spin, self.last_spin):
                spin.setMaximum(max(0, n_slices - 1))
            items = self._items()
            self._form.setRowVisible(self.frames_box, bool(items))
            words = " and ".join(_WORDS.get(a, f"entries of {a}") for a in items)
            self.frames_box.setItemText(ALL, f"All {words}")
            self._form.setRowVisible(self.level_box, len(levels) > 1)
            shown = [self.level_box.itemText(i) for i in range(self.level_box.count())]
            if shown != list(levels):
                self.level_box.clear()
                self.level_box.addItems(list(levels))
            self.setVisible(n_slices > 1 or bool(items) or len(levels) > 1)

    def scope(self, looked_at: Mapping[str, int], n_slices: int) -> Scope:
        """Part of one image.

        Parameters
        ----------
        looked_at : mapping of str to int
            Index that the viewer shows, per axis.
        n_slices : int
            Of the image, along Z.
        """
        items = [axis for axis in looked_at if axis not in SPATIAL_AXES]
        is_one = self.frames_box.currentIndex() == CURRENT
        frames = {axis: looked_at[axis] for axis in items} if is_one else {}
        return Scope(self._slices(looked_at, n_slices), frames, dict(looked_at))

    def _slices(
        self, looked_at: Mapping[str, int], n_slices: int
    ) -> tuple[int, int] | None:
        choice = self.slices_box.currentIndex()
        if n_slices == 1 or choice == ALL:
            return None
        if choice == CURRENT:
            z = looked_at.get("Z", 0)
            return z, z + 1
        first, last = sorted((self.first_spin.value(), self.last_spin.value()))
        return min(first, n_slices - 1), min(last + 1, n_slices)

    def _show_range(self) -> None:
        is_range = self.slices_box.currentIndex() == RANGE
        self._form.setRowVisible(self._range, is_range and self._sizes.get("Z", 1) > 1)

    def _items(self) -> list[str]:
        letters = SPATIAL_AXES + CHANNEL_AXIS
        return [a for a, size in self._sizes.items() if a not in letters and size > 1]

    def _build_layout(self) -> None:
        self.slices_box.addItems(["All slices", "Current slice", "Range"])
        self.frames_box.addItems(["All", "Only the current"])
        for box, name in (
            (self.slices_box, "Slices"),
            (self.frames_box, "Times"),
            (self.level_box, "Level"),
            (self.first_spin, "First slice"),
            (self.last_spin, "Last slice"),
        ):
            box.setAccessibleName(name)
        self.level_box.setToolTip(
            "Size at which a multiscale image is predicted; choose that of the training"
        )
        inner = QHBoxLayout(self._range)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.first_spin, stretch=1)
        inner.addWidget(QLabel("to"))
        inner.addWidget(self.last_spin, stretch=1)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setSpacing(4)
        self._form.addRow("Slices", self.slices_box)
        self._form.addRow("From", self._range)
        self._form.addRow("Times", self.frames_box)
        self._form.addRow("Level", self.level_box)

    def _connect(self) -> None:
        self.slices_box.currentIndexChanged.connect(self._on_slices_index_changed)
        self.frames_box.currentIndexChanged.connect(self.changed)
        self.level_box.currentIndexChanged.connect(self.changed)
        self.first_spin.valueChanged.connect(self.changed)
        self.last_spin.valueChanged.connect(self.changed)

    def _on_slices_index_changed(self, index: int) -> None:
        self._show_range()
        if index == RANGE and self.last_spin.value() == 0:
            self.last_spin.setValue(self.last_spin.maximum())
        self.changed.emit()


def looked_at(
    viewer: ViewerModel, layer: Image, axes: str, level: int
) -> dict[str, int]:
    """Index of a layer that the viewer shows, for each axis but Y, X and channels.

    Where the viewer is outside the layer, the nearest.
    """
    letters = layer_axes(layer, axes)
    point: Any = np.asarray(layer.world_to_data(viewer.dims.point))
    shape = (layer.data[level] if layer.multiscale else layer.data).shape
    at = point[-len(letters) :] / level_factors(layer, level)
    return {
        letter: int(np.clip(round(float(value)), 0, size - 1))
        for letter, value, size in zip(letters, at, shape, strict=False)
        if letter not in f"YX{CHANNEL_AXIS}"
    }
