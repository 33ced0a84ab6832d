"""Cross-validations of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.training.running import Recorder
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.models import Model
from napari_segtrain.training.events import EpochEnd, FoldBegun, TrainingResult
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_training_run

LENGTH = {"length": {"kind": "iterations", "iterations": 12}, "iterations_per_epoch": 6}


def cross_validate(
    path: Path,
    recorder: Recorder | None = None,
    *,
    k: int = 3,
    base: Model | None = None,
    loss: dict[str, Any] | None = None,
    **training: Any,
) -> TrainingResult:
    recorder = recorder or Recorder()
    config = make_config(
        validation={"kind": "k-fold", "k": k},
        training={**LENGTH, **training},
        loss=loss or {},
    )
    work = iter_training_run(
        make_dataset(6), config, path, control=recorder.control, continue_from=base
    )
    return run(work, recorder)


class StopInFold(Recorder):
    """Stops after some events of a fold."""

    def __init__(self, number: int, *, finish: bool = False) -> None:
        super().__init__()
        self.number, self.finishes, self.fold = number, finish, 0

    def __call__(self, event) -> None:
        super().__call__(event)
        if isinstance(event, FoldBegun):
            self.fold = event.number
        if self.fold == self.number and isinstance(event, EpochEnd):
            (self.control.finish if self.finishes else self.control.stop)()
