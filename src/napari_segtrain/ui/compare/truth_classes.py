"""What the values of the ground truth mean, to be said where it is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_segtrain.ui.classes.class_table import ClassTableWidget
from napari_segtrain.ui.widgets.folding import Folding

if TYPE_CHECKING:
    from napari_segtrain.ui.widgets.layer_choice import LayerChoice

_TIP = (
    "Give them the names that the segmentation has, where both number their classes "
    "differently"
)


class TruthClasses(Folding):
    """Table of the classes of the chosen ground truth, folded away at first.

    Its values are counted only while it is unfolded.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    choice : LayerChoice
        Of the ground truth.
    """

    def __init__(self, viewer: Any, choice: LayerChoice) -> None:
        super().__init__("Classes of the gro&und truth")
        self._choice = choice
        self.table = ClassTableWidget(viewer)
        for button in (self.table.add_button, self.table.remove_button):
            button.hide()
        self.set_widget(self.table)
        self.setToolTip(_TIP)
        self.toggled.connect(self._show_choice)
        choice.layer_changed.connect(self._show_choice)

    def _show_choice(self) -> None:
        self.table.set_layer(self._choice.layer() if self.isExpanded() else None)
