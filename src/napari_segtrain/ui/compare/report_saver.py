"""Writing the results of a comparison to files, in a thread."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segtrain.ui.compare.report_pictures import PictureSource, picture_source
from napari_segtrain.ui.worker import start_job

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_segtrain.ui.compare.compared_set import ComparedSet
    from napari_segtrain.ui.compare.comparison import Comparison
    from napari_segtrain.ui.worker import Task

FORMATS = (
    "Report (*.html)",
    "Report (*.pdf)",
    "Excel (*.xlsx)",
    "Tables (*.csv)",
    "Everything (*.json)",
)
_WITH_PICTURES = (".html", ".pdf")


class ReportSaver(QObject):
    """Saves one report at a time.

    Parameters
    ----------
    parent : QObject
        Owner.

    Attributes
    ----------
    saved : Signal(str)
        Which files were written, in words.
    failed : Signal(Failure)
        Why there are none.
    """

    saved = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._note = ""

    def save(
        self,
        path: Path,
        results: ComparedSet,
        viewer: ViewerModel | None,
        *,
        is_stale: bool,
    ) -> None:
        """Write what is looked at; documents get pictures of the worst slices.

        Parameters
        ----------
        path : Path
            Its suffix says as what, see `Comparison.write`.
        results : ComparedSet
        viewer : ViewerModel, optional
            Where the image is looked for.
        is_stale : bool
            Whether the labels changed, so that pictures would not fit the scores.
        """
        source, self._note = None, ""
        if path.suffix.lower() in _WITH_PICTURES:
            if viewer is not None and results.pair is not None and not is_stale:
                source = picture_source(viewer, results.pair, results.comparison)
            if source is None:
                why = "the labels changed" if is_stale else "no image lies on them"
                self._note = f" There are no pictures of slices in it, as {why}."
        work = partial(write_comparison, results.comparison, path, source)
        self._task = start_job(work, title="Save scores")
        self._task.succeeded.connect(self._on_task_succeeded)
        self._task.failed.connect(self.failed)

    def _on_task_succeeded(self, files: list[Path]) -> None:
        names = ", ".join(path.name for path in files)
        self.saved.emit(f"Saved {names} in {files[0].parent}.{self._note}")


def write_comparison(
    comparison: Comparison, path: Path, source: PictureSource | None
) -> list[Path]:
    """Write scores, with pictures of the worst slices if there is a source of them."""
    from napari_segtrain.workflows.worst_slices import write_worst_slices

    if source is None:
        return comparison.write(path)
    with TemporaryDirectory(prefix="segtrain_report_") as folder:
        shown = write_worst_slices(
            Path(folder),
            source.pair,
            source.image,
            comparison.report,
            origin=comparison.overlap.origin,
        )
        context = replace(comparison.context, overlays=shown)
        return replace(comparison, context=context).write(path)
