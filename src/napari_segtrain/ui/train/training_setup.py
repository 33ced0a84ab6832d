"""What a training needs, gathered in the GUI thread and used in another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.config import ExperimentConfig, NetworkConfig
from napari_segtrain.data.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.models import Model
    from napari_segtrain.training.events import TrainingResult
    from napari_segtrain.training.machine import DeviceInfo
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.ui.preferences import Device


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
    """

    dataset: Dataset
    config: ExperimentConfig
    base: Path | None = None

    def plan(self) -> TrainingPlan:
        """Decide everything that is open.

        Raises
        ------
        SegtrainError
            When data and settings cannot be trained with.
        """
        from napari_segtrain.workflows.training import plan_training

        return plan_training(self.dataset, self.config, self._base_model())

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
        )

    def export(self, path: Path) -> Path:
        """Write a YAML file, and data beside it, that the command line trains with.

        Where there is a model to train on from, its network is written.

        Returns
        -------
        Path
            The YAML file.

        Raises
        ------
        SegtrainError
            When it cannot be written, or settings contradict the model.
        """
        from napari_segtrain.workflows.exporting import export_experiment
        from napari_segtrain.workflows.training import config_of_continuation

        config, base = self.config, self._base_model()
        if base is not None:
            config = config_of_continuation(config, base)
        return export_experiment(self.dataset, config, path)

    def _base_model(self) -> Model | None:
        from napari_segtrain.workflows.models import load_model

        return None if self.base is None else load_model(self.base)


def resumed_run(
    path: Path, control: RunControl, *, epoch: int | None = None
) -> Generator[Event, None, TrainingResult]:
    """Go on with a run, where it stopped or from an epoch; for a thread."""
    from napari_segtrain.training.run_folder import LATEST, epoch_name
    from napari_segtrain.workflows.training import iter_resumed_run

    checkpoint = LATEST if epoch is None else epoch_name(epoch)
    return iter_resumed_run(path, checkpoint=checkpoint, control=control)


def network_of(path: Path) -> NetworkConfig:
    """Return the network of a model or run; for a thread."""
    from napari_segtrain.workflows.models import load_model

    return load_model(path).spec.network


def look_at_device(device: Device) -> DeviceInfo:
    """Describe the device, and load all that a training needs; for a thread."""
    import napari_segtrain.workflows.training  # noqa: F401 - warms up
    from napari_segtrain.training.machine import describe_device

    return describe_device(device)
