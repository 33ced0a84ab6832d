"""What the values of labels may be, where neither they nor their layer say."""

from __future__ import annotations

from typing import Literal

from qtpy.QtWidgets import QComboBox

Target = Literal["auto", "semantic", "instances"]

_TARGETS: tuple[tuple[str, Target], ...] = (
    ("As they look, or as the layer says", "auto"),
    ("Classes (semantic)", "semantic"),
    ("Ids of objects (instances)", "instances"),
)
_MIN_LETTERS = 12


class TargetChoice(QComboBox):
    """Lets the meaning of label values be chosen."""

    def __init__(self) -> None:
        super().__init__()
        for text, target in _TARGETS:
            self.addItem(text, target)
        self.setMinimumContentsLength(_MIN_LETTERS)
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )

    @property
    def target(self) -> Target:
        """What the values are."""
        target: Target = self.currentData()
        return target
