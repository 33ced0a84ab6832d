"""What augmentation makes of the user's own patches."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.widgets.picture_rows import PictureRows
from napari_segtrain.ui.widgets.preview import legend_of

if TYPE_CHECKING:
    from napari_segtrain.ui.train.augmented_pictures import AugmentedPictures, Drawn
    from napari_segtrain.ui.widgets.picture_rows import Pictures
    from napari_segtrain.ui.worker import Failure

_NOTHING = "Patches are shown here as soon as there is a plan; see above."
_WAITING = "Drawing patches\N{HORIZONTAL ELLIPSIS}"
_UNCHANGED = "With these settings patches are not changed."


class AugmentationView(QWidget):
    """Rows of a patch as it is and changed; drawn while it is in sight."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = PictureRows()
        self.text = QLabel()
        self.other_button = QPushButton("&Other patches")
        self._source: AugmentedPictures | None = None
        self._seed = 0
        self._is_drawn = False
        self._job = LatestJob("Drawing augmented patches", self)
        self._build_layout()
        self._connect()
        self.forget()

    def show_patches_of(self, source: AugmentedPictures) -> None:
        """Show patches of another plan, the same ones as far as they are the same."""
        self._source = source
        self._draw_when_seen()

    def forget(self) -> None:
        """Show nothing, since there is no plan."""
        self._source = None
        self._job.forget()
        self._show((), _NOTHING)

    def showEvent(self, event: Any) -> None:
        """Draw what has changed out of sight."""
        super().showEvent(event)
        if self._source is not None and not self._is_drawn:
            self._draw()

    def _build_layout(self) -> None:
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setWordWrap(True)
        self.other_button.setToolTip("Draw other patches, and change them anew")
        line = QHBoxLayout()
        line.addWidget(self.text, stretch=1)
        line.addWidget(self.other_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.rows)

    def _connect(self) -> None:
        self.other_button.clicked.connect(self._on_other_clicked)
        self._job.started.connect(self._on_job_started)
        self._job.succeeded.connect(self._on_job_succeeded)
        self._job.failed.connect(self._on_job_failed)

    def _draw_when_seen(self) -> None:
        self._is_drawn = False
        if self.isVisible():
            self._draw()

    def _draw(self) -> None:
        if self._source is not None:
            self._is_drawn = True
            self._job.ask(partial(self._source.draw, self._seed))

    def _show(self, rows: tuple[Pictures, ...], text: str) -> None:
        self.rows.show_rows(rows)
        self.text.setText(text)
        self.other_button.setVisible(bool(rows))

    def _on_other_clicked(self) -> None:
        self._seed += 1
        self._draw()

    def _on_job_started(self) -> None:
        if not self.rows.captions:
            self.text.setText(_WAITING)

    def _on_job_succeeded(self, drawn: Drawn) -> None:
        if self._source is not None:
            legend = legend_of(self._source.classes)
            self._show(drawn.rows, legend if drawn.is_changed else _UNCHANGED)

    def _on_job_failed(self, failure: Failure) -> None:
        self._show((), failure.text)
