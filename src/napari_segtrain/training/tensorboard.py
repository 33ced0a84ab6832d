"""Curves and previews for TensorBoard (the ``tensorboard`` extra)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.errors import ConfigError
from napari_segtrain.evaluation.overlay import paint_classes, to_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.training.events import EpochEnd, Preview

EXTRA = 'pip install "napari-segtrain[tensorboard]"'


def check_tensorboard() -> None:
    """Find out whether TensorBoard can be written for.

    Raises
    ------
    ConfigError
        When its package is not installed.
    """
    if find_spec("tensorboard") is None:
        raise ConfigError(
            "training.tensorboard is switched on, but TensorBoard is not installed; "
            f"{EXTRA} adds it. metrics.jsonl and curves.png hold the same curves."
        )


class Board:
    """Writes what TensorBoard shows of a run.

    Parameters
    ----------
    folder : Path
        For its event files.
    first : int
        Iteration from which on older entries, of a run that is resumed, do not count.
    """

    def __init__(self, folder: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first)

    def add_epoch(self, event: EpochEnd) -> None:
        """Add losses, scores and the learning rate."""
        values = {
            "loss/training": event.training_loss,
            "loss/validation": event.validation_loss,
            "score": event.score,
            "learning rate": event.learning_rate,
            **{f"IoU/{name}": iou for name, iou in event.iou.items()},
            **{f"Dice/{name}": dice for name, dice in event.dice.items()},
        }
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, event.iteration)

    def add_preview(self, preview: Preview) -> None:
        """Add patches: the image, with its ground truth, and with its prediction."""
        for number, patch in enumerate(preview.patches, start=1):
            image = to_rgb(patch.image)
            painted = [
                paint_classes(image, indices, preview.classes)
                for indices in (patch.truth, patch.prediction)
            ]
            row = np.concatenate([image, *painted], axis=1)
            self._writer.add_image(
                f"patch {number}", row, preview.iteration, dataformats="HWC"
            )

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
