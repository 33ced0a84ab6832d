"""Which images are predicted, whether their channels are in one layer or in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_segtrain.ui.predict.channel_rows import ChannelRows, Source
from napari_segtrain.ui.predict.image_table import ImageTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

ONE_LAYER, SEVERAL_LAYERS = range(2)


class ImageSources(QWidget):
    """A check list of layers; for models of several channels also rows of layers.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.

    Attributes
    ----------
    changed : Signal()
        Other images are chosen, or with other axes.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.channels_box = QComboBox()
        self.table = ImageTable(viewer)
        self.rows = ChannelRows(viewer)
        self._n_channels = 1
        self._by_user = False
        self._build_layout()
        self.table.changed.connect(self.changed)
        self.rows.changed.connect(self.changed)
        self.channels_box.activated.connect(self._on_channels_activated)
        self.set_channels(1)

    def set_channels(self, n_channels: int, names: Sequence[str] = ()) -> None:
        """Say how many channels the model takes, and what they are called."""
        self._n_channels = n_channels
        self.table.set_n_channels(n_channels)
        if n_channels > 1:
            numbers = [f"channel {n}" for n in range(1, n_channels + 1)]
            self.rows.set_channels(names or numbers)
        if not self._by_user:
            self.channels_box.setCurrentIndex(self._guess())
        self._show()

    def sources(self) -> list[Source]:
        """Layers that are the channels of each image, and their axes."""
        if self._is_several:
            return self.rows.sources()
        return [((layer,), axes) for layer, axes in self.table.checked()]

    @property
    def _is_several(self) -> bool:
        is_chosen = self.channels_box.currentIndex() == SEVERAL_LAYERS
        return is_chosen and self._n_channels > 1

    def _build_layout(self) -> None:
        self.channels_box.addItems(
            ["Channels in one layer", "One layer for each channel"]
        )
        self.channels_box.setAccessibleName("Where channels are")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.channels_box, self.table, self.rows):
            layout.addWidget(widget)

    def _guess(self) -> int:
        """Whether the viewer has a layer with as many channels, or one for each."""
        table, n_channels = self.table, self._n_channels
        layers = table.layers()
        has_one = any(_count(x, table.axes_of(x)) == n_channels for x in layers)
        is_several = n_channels > 1 and not has_one and len(layers) > 1
        return SEVERAL_LAYERS if is_several else ONE_LAYER

    def _show(self) -> None:
        self.channels_box.setVisible(self._n_channels > 1)
        self.table.setVisible(not self._is_several)
        self.rows.setVisible(self._is_several)

    def _on_channels_activated(self) -> None:
        self._by_user = True
        self._show()
        self.changed.emit()


def _count(layer: Image, axes: str) -> int:
    data = layer.data[0] if layer.multiscale else layer.data
    return int(data.shape[axes.index("C")]) if "C" in axes else 1
