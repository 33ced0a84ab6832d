"""How much of the images is predicted: area, slices, times, level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
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
from napari_segtrain.errors import DataError
from napari_segtrain.ui.layers.regions import OutlineMask, check_region, outline_mask
from napari_segtrain.ui.predict.scope import Scope
from napari_segtrain.ui.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image

    from napari_segtrain.ui.layers.look import Look, Window

ALL, CURRENT, RANGE = range(3)
_, VIEW, SHAPES = range(3)
_WORDS = {"T": "times", "S": "scenes", "P": "positions"}


class ScopeBox(QWidget):
    """Choices that are shown only for the axes that the images have.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.

    Attributes
    ----------
    changed : Signal()
        Another part is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.area_box = QComboBox()
        self.shapes_choice = LayerChoice(viewer, Shapes, parent=self)
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
    def is_everything(self) -> bool:
        """Whether no part is chosen."""
        boxes = (self.area_box, self.slices_box, self.frames_box)
        return all(box.currentIndex() == ALL for box in boxes)

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
            self._show_shapes()
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
            self.setVisible(bool(sizes))

    def scope(self, layer: Image, axes: str, look: Look, n_slices: int) -> Scope:
        """Part of one image.

        Parameters
        ----------
        layer : napari Image layer
            The image, or its first channel.
        axes : str
            One letter per dimension of its data.
        look : Look
            What the viewer shows of it.
        n_slices : int
            Of the image, along Z.

        Raises
        ------
        DataError
            When nothing of the image is in the view, or in the shapes.
        """
        items = [axis for axis in look.index if axis not in SPATIAL_AXES]
        is_one = self.frames_box.currentIndex() == CURRENT
        frames = {axis: look.index[axis] for axis in items} if is_one else {}
        slices = self._slices(look.index, n_slices)
        window, mask = self._area(layer, axes, look)
        return Scope(slices, frames, window, mask, look)

    def _area(
        self, layer: Image, axes: str, look: Look
    ) -> tuple[Window | None, OutlineMask | None]:
        """Y and X that are predicted, and where of them results are entered."""
        if self.area_box.currentIndex() == VIEW:
            if look.window is None:
                raise DataError(
                    f"Nothing of '{layer.name}' is in the view; move it into the view, "
                    "or choose another area."
                )
            return look.window, None
        if self.area_box.currentIndex() != SHAPES:
            return None, None
        shapes = self.shapes_choice.layer()
        if not isinstance(shapes, Shapes):
            raise DataError(
                "There is no Shapes layer to take the area from; draw the area in one, "
                "or choose another area."
            )
        check_region(shapes)
        mask = outline_mask(shapes, layer, axes, level=self.level)
        return mask.window, mask

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

    def _show_shapes(self) -> None:
        is_shapes = self.area_box.currentIndex() == SHAPES
        self._form.setRowVisible(self.shapes_choice, is_shapes)

    def _show_range(self) -> None:
        is_range = self.slices_box.currentIndex() == RANGE
        self._form.setRowVisible(self._range, is_range and self._sizes.get("Z", 1) > 1)

    def _items(self) -> list[str]:
        letters = SPATIAL_AXES + CHANNEL_AXIS
        return [a for a, size in self._sizes.items() if a not in letters and size > 1]

    def _build_layout(self) -> None:
        self.area_box.addItems(["Everything", "What is in view", "Inside shapes"])
        self.area_box.setToolTip(
            "Part of each slice; what lies outside is left as it is. Stores get all "
            "blocks that have something of it"
        )
        self.shapes_choice.setToolTip(
            "Rectangles, ellipses and polygons; they hold for all slices that are "
            "predicted"
        )
        self.slices_box.addItems(["All slices", "Current slice", "Range"])
        self.frames_box.addItems(["All", "Only the current"])
        for box, name in (
            (self.area_box, "Area"),
            (self.shapes_choice, "Shapes"),
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
        self._form.addRow("Area", self.area_box)
        self._form.addRow("Shapes", self.shapes_choice)
        self._form.addRow("Slices", self.slices_box)
        self._form.addRow("From", self._range)
        self._form.addRow("Times", self.frames_box)
        self._form.addRow("Level", self.level_box)

    def _connect(self) -> None:
        self.area_box.currentIndexChanged.connect(self._on_area_index_changed)
        self.shapes_choice.layer_changed.connect(self.changed)
        self.slices_box.currentIndexChanged.connect(self._on_slices_index_changed)
        self.frames_box.currentIndexChanged.connect(self.changed)
        self.level_box.currentIndexChanged.connect(self.changed)
        self.first_spin.valueChanged.connect(self.changed)
        self.last_spin.valueChanged.connect(self.changed)

    def _on_area_index_changed(self) -> None:
        self._show_shapes()
        self.changed.emit()

    def _on_slices_index_changed(self, index: int) -> None:
        self._show_range()
        if index == RANGE and self.last_spin.value() == 0:
            self.last_spin.setValue(self.last_spin.maximum())
        self.changed.emit()
