"""What is found out about the weights of a training before they become a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError, PredictionError, is_out_of_memory
from napari_segtrain.models import assemble
from napari_segtrain.training.clock import CutShort
from napari_segtrain.training.events import BaseScored, DecisionTuned, Noticed
from napari_segtrain.training.findings import Finding
from napari_segtrain.training.fine_tuning import verdict
from napari_segtrain.training.memory import forget_frames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    import torch

    from napari_segtrain.control import Event
    from napari_segtrain.models import Decision, Model, ModelSpec
    from napari_segtrain.training.clock import Deadline
    from napari_segtrain.training.learner import Learner
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.run_folder import RunFolder

MAYBE_MEMORY = (MemoryError, RuntimeError, PredictionError)
"""Errors that may mean that memory ran out in a prediction."""
NO_DECISION = (CutShort, *MAYBE_MEMORY)
"""What may keep a decision from being chosen."""
WITHOUT_DECISION = "thresholds of its own"
WITHOUT_HALO = "measured halo"


class Finisher:
    """Compares a model with the one it began as, and chooses its decision.

    Parameters
    ----------
    plan : TrainingPlan
        Names the model that the training goes on from, if any.
    learner : Learner
        Predicts the held-out data.
    run : RunFolder
        Keeps the score of the model that the training goes on from.

    Attributes
    ----------
    decision : Decision, optional
        What was chosen.
    verdict : str
        Whether the model is better than the one it began as; empty without one.
    """

    def __init__(self, plan: TrainingPlan, learner: Learner, run: RunFolder) -> None:
        self._base = plan.base
        self._learner = learner
        self._run = run
        self.decision: Decision | None = None
        self.verdict = ""

    @property
    def n_voxels(self) -> int:
        """Voxels that are predicted at the end."""
        n_compared = 0 if self._base is None else self._learner.model_judge.n_voxels
        n_measured = self._learner.calibrator.n_voxels
        return self._learner.tuner.n_voxels + n_measured + n_compared

    def score_base(self, model: Model, deadline: Deadline) -> Iterator[Event]:
        """Score the model that the training goes on from, unless the user stops.

        Parameters
        ----------
        model : Model
            What the verdict compares with.
        deadline : Deadline
            Whether the user stops.
        """
        if self._base is None or not self._base.has_same_channels:
            return
        try:
            judge = self._learner.model_judge
            score = judge.score(model, self._base.classes, deadline)
        except CutShort:
            return
        except MAYBE_MEMORY as error:
            yield self._without(error, 0, "comparison with the one it began as")
            return
        if score is not None:
            self._run.write_base_score(score)
            yield BaseScored(score)

    def finish(
        self,
        spec: ModelSpec,
        weights: Mapping[str, torch.Tensor],
        deadline: Deadline,
        iteration: int,
        voxels_per_second: float = 0.0,
    ) -> Generator[Event, None, ModelSpec]:
        """Complete the description of a model, as far as time and memory suffice.

        Parameters
        ----------
        spec : ModelSpec
            As the training has left it.
        weights : mapping of str to Tensor
            State dict of the model.
        deadline : Deadline
            Until when a decision may be chosen.
        iteration : int
            Steps done.
        voxels_per_second : float
            How fast the network predicts; 0 when not known.
        """
        model = assemble(spec, weights, source="the training")
        try:
            spec = self._compared(spec, model, deadline)
            self.decision = yield from self._learner.tuner.tune(model, deadline)
        except NO_DECISION as error:
            yield self._without(error, iteration, WITHOUT_DECISION)
        if self.decision is not None:
            yield DecisionTuned(self.decision, spec.classes.names)
        spec = replace(spec, decision=self.decision)
        try:
            calibration = self._learner.calibrator.calibrate(
                model, deadline, voxels_per_second
            )
        except DataError:  # beyond what is labelled
            return spec
        except MAYBE_MEMORY as error:
            yield self._without(error, iteration, WITHOUT_HALO)
            return spec
        return replace(spec, calibration=calibration)

    def _without(self, error: Exception, iteration: int, what: str) -> Noticed:
        notice = notice_without(error, iteration, what)
        self._run.append_notice(notice)
        return notice

    def _compared(self, spec: ModelSpec, model: Model, deadline: Deadline) -> ModelSpec:
        before = self._run.read_base_score()
        if self._base is None or before is None:
            return spec
        after = self._learner.model_judge.score(model, deadline=deadline) or 0.0
        self.verdict = verdict(before, after)
        scores = {"IoU": before, "IoU after": after, "verdict": self.verdict}
        known = {**spec.provenance["base"], **scores}
        return replace(spec, provenance={**spec.provenance, "base": known})


def notice_without(error: Exception, iteration: int, what: str) -> Noticed:
    """Say what a model lacks since memory or time ran out; raise any other error.

    Parameters
    ----------
    error : Exception
        Of predicting the held-out data.
    iteration : int
        Steps done.
    what : str
        What the model lacks.
    """
    if isinstance(error, CutShort):
        return Noticed(iteration, "cut-short", _cut_short(error, what))
    if not isinstance(error, PredictionError) and not is_out_of_memory(error):
        raise error
    forget_frames(error)
    finding = Finding(
        "warning",
        "Memory ran out when the held-out data were predicted, so the model has no "
        f"{what}.",
        "It can be used all the same; close other programs before the next run.",
        "training.memory_limit",
    )
    return Noticed(iteration, "memory", finding)


def _cut_short(error: CutShort, what: str) -> Finding:
    if error.is_stopped:
        text = f"The run was stopped at its end, so the model has no {what}."
        return Finding("info", text, "It can be used all the same.")
    return Finding(
        "info",
        "The time did not suffice to predict the held-out data, so the model has no "
        f"{what}.",
        "It can be used all the same; give the next run more time.",
        "training.length",
    )
