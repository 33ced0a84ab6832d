"""What is changed when a run cannot go on as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.axes import size_text
from napari_segtrain.errors import TrainingError
from napari_segtrain.training.events import Noticed
from napari_segtrain.training.findings import Finding

if TYPE_CHECKING:
    from napari_segtrain.training.checkpoint import Checkpoint, Progress
    from napari_segtrain.training.learner import Learner
    from napari_segtrain.training.plan import TrainingPlan

MAX_RECOVERIES = 5
"""How often a run goes back between two validations before it gives up."""

_SLOW_DOWN = 0.5


class Healer:
    """Lets a run go on with less memory, or from its last good weights.

    Parameters
    ----------
    plan : TrainingPlan
        What is done.
    learner : Learner
        Is changed.
    """

    def __init__(self, plan: TrainingPlan, learner: Learner) -> None:
        self._plan = plan
        self._learner = learner

    def spare_memory(self, progress: Progress) -> tuple[Progress, Noticed]:
        """Go on from the same step with less memory.

        Raises
        ------
        TrainingError
            When nothing is left to be done without.
        """
        before = progress.footprint
        footprint = before.lighter(
            self._plan.info,
            can_recompute=self._learner.n_stages > 0,
            is_on_gpu=not self._plan.machine.is_cpu,
        )
        if footprint is None:
            raise TrainingError(
                f"The memory of {self._plan.machine.name} does not suffice for one "
                f"patch of {size_text(before.patch_size)} voxels, the "
                "smallest that the network takes; use fewer network.first_filters, or "
                "close other programs."
            )
        self._learner.adapt(footprint)
        progress = replace(progress, footprint=footprint)
        text = f"Memory ran out at iteration {progress.iteration}; going on "
        text += footprint.change_since(before)
        if footprint.leaves_gpu and not self._learner.n_stages:
            text += " (no part of the network can be computed twice)"
        remedy = "Results may differ from those of the settings you chose."
        finding = Finding("warning", f"{text}.", remedy, "sampling.patch_size")
        return _changed(progress, Noticed(progress.iteration, "memory", finding))

    def go_back(self, progress: Progress, good: Checkpoint) -> tuple[Progress, Noticed]:
        """Go on from the last good weights, at a lower rate.

        The iteration goes on counting, so that other patches come next.

        Parameters
        ----------
        progress : Progress
            Where numbers were not finite.
        good : Checkpoint
            The last one.

        Raises
        ------
        TrainingError
            When that has happened too often.
        """
        n_recoveries = progress.n_recoveries + 1
        self._learner.restore(good)
        if n_recoveries > MAX_RECOVERIES or not self._learner.is_finite:
            raise TrainingError(
                f"The training diverged: the loss or the weights were {n_recoveries} "
                "times no finite numbers, although the learning rate was halved each "
                "time; use a lower training.learning_rate with training.solver "
                f"{self._plan.solver.kind}, and check the images for extreme values. "
                "The last checkpoint can be used."
            )
        progress = replace(
            progress,
            n_recoveries=n_recoveries,
            rate_scale=progress.rate_scale * _SLOW_DOWN,
            epoch_iterations=0,
            epoch_loss_sum=0.0,
        )
        finding = Finding(
            "warning",
            "The loss or the weights were not finite numbers at iteration "
            f"{progress.iteration}; going on with the weights of iteration "
            f"{good.progress.iteration} and half the learning rate.",
            "If that happens again, use a lower learning rate from the start, with "
            f"training.solver {self._plan.solver.kind}.",
            "training.learning_rate",
        )
        return _changed(progress, Noticed(progress.iteration, "diverged", finding))


def _changed(progress: Progress, event: Noticed) -> tuple[Progress, Noticed]:
    """Take down what was changed, for the model's provenance."""
    changes = (*progress.changes, event.finding.text)
    return replace(progress, changes=changes), event
