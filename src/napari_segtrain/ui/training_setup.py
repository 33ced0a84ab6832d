"""What a training needs, gathered in the GUI thread and used in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_segtrain.config import ExperimentConfig
    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Model
    from napari_segtrain.training.events import TrainingResult
    from napari_segtrain.training.plan import TrainingPlan


@dataclass(frozen=True)
class TrainingSetup:
    """Data and settings of a training that could start now.

    The methods take long and load torch; they are for threads.

    Parameters
    ----------
    dataset : Dataset
        Samples.
    config : ExperimentConfig
        Settings.
    base : Path, optional
        Model whose weights the training begins with.
    memory_limit : float, optional
        Most memory to plan with, in GB.
    """

    dataset: Dataset
    config: ExperimentConfig
    base: Path | None = None
    memory_limit: float | None = None

    def plan(self) -> TrainingPlan:
        """Decide everything that is open.

        Raises
        ------
        SegtrainError
            When data and settings cannot be trained with.
        """
        from napari_segtrain.workflows.training import plan_training

        return plan_training(
            self.dataset,
            self.config,
            self._base_model(),
            memory_limit=self.memory_limit,
        )

    def train(
        self, folder: Path, name: str, control: RunControl
    ) -> Generator[Event, None, TrainingResult]:
        """Train in a new run folder.

        Parameters
        ----------
        folder : Path
            Where runs are kept.
        name : str
            Of the run; a number is added when it is taken.
        control : RunControl
            Stop, pause, finish now.
        """
        from napari_segtrain.workflows.library import unique_run_dir
        from napari_segtrain.workflows.training import iter_training_run

        return iter_training_run(
            self.dataset,
            self.config,
            unique_run_dir(folder, name),
            control=control,
            continue_from=self._base_model(),
            memory_limit=self.memory_limit,
        )

    def _base_model(self) -> Model | None:
        from napari_segtrain.workflows.models import load_model

        return None if self.base is None else load_model(self.base)
