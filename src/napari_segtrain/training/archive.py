"""What a run leaves in its folder: checkpoints, metrics, notices and the model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.training.checkpoint import Checkpoint
from napari_segtrain.training.events import CheckpointSaved
from napari_segtrain.training.provenance import model_spec
from napari_segtrain.training.run_folder import BEST, LATEST, RunFolder
from napari_segtrain.training.tensorboard import Board
from napari_segtrain.training.thumbnail import draw_thumbnail

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from napari_segtrain.models import ModelSpec
    from napari_segtrain.training.checkpoint import Progress
    from napari_segtrain.training.events import EpochEnd, Noticed, Preview
    from napari_segtrain.training.learner import Learner
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.steps import Validation

_CLEARLY_BETTER = 0.02


class Archive:
    """Keeps a run on disk, so that it can be used and resumed at any time.

    Parameters
    ----------
    plan : TrainingPlan
        What is done.
    learner : Learner
        Whose weights are kept.
    run : RunFolder
        Where.

    Attributes
    ----------
    score : float, optional
        Validation score of the weights that are kept, once the run has ended.
    """

    def __init__(self, plan: TrainingPlan, learner: Learner, run: RunFolder) -> None:
        self._training = plan.config.training
        self._learner = learner
        self._run = run
        self._spec = model_spec(plan)
        self._preview: Preview | None = None
        self._best_preview: Preview | None = None
        self._board: Board | None = None
        self.score: float | None = None

    def open(self, resume_from: Checkpoint | None) -> None:
        """Begin to write; take over the scores of a checkpoint."""
        first = 0
        if resume_from is not None:
            first = resume_from.progress.iteration
            self._spec = replace(self._spec, scores=resume_from.spec.scores)
        if self._training.tensorboard and self._run.is_written:
            self._board = Board(self._run.path / "tensorboard", first)

    def close(self) -> None:
        """Write what is left; the archive may be closed without having been opened."""
        if self._board is not None:
            self._board.close()

    def checkpoint(self, name: str, progress: Progress) -> CheckpointSaved:
        """Write a checkpoint."""
        checkpoint = Checkpoint(
            progress=progress,
            network=self._learner.network_state,
            average=self._learner.average_state,
            optimizer=self._learner.optimizer_state,
            spec=self._described(progress),
        )
        return CheckpointSaved(self._run.save(name, checkpoint), progress.iteration)

    def add_epoch(self, event: EpochEnd, validation: Validation | None) -> None:
        """Write down how an epoch ended."""
        self._run.append_metrics(event)
        if self._board is not None:
            self._board.add_epoch(event)
        if validation is not None:
            self._spec = replace(self._spec, scores=validation.named_scores())

    def add_notice(self, event: Noticed) -> None:
        """Write down what the user was told."""
        self._run.append_notice(event)

    def add_preview(self, preview: Preview, *, is_best: bool) -> None:
        """Keep a preview for the picture of the run."""
        self._preview = preview
        if self._board is not None:
            self._board.add_preview(preview)
        if is_best and not self.keeps_last:
            self._best_preview = preview

    @property
    def keeps_last(self) -> bool:
        """Whether the last weights are kept, whatever their score."""
        return self._training.keep_weights == "last"

    def end_stopped(self, progress: Progress) -> None:
        """Note the score, and draw the picture, of what a stopped run leaves."""
        last = self._spec.scores.get("IoU")
        self.score = last if self.keeps_last else progress.best_score
        self._thumbnail(self._best_preview or self._preview)

    def kept(self, progress: Progress) -> tuple[ModelSpec, Mapping[str, torch.Tensor]]:
        """Description and weights of the model that a complete run comes to."""
        spec, weights = self._described(progress), self._learner.average_state
        if self._keeps_best(progress):
            best = self._run.load(BEST)
            spec, weights = best.spec, best.average
            self._preview = self._best_preview or self._preview
        self.score = spec.scores.get("IoU")
        return spec, weights

    def write_model(self, spec: ModelSpec, weights: Mapping[str, torch.Tensor]) -> None:
        """Write the model, with the picture of the run."""
        self._run.write_model(spec, weights, self._thumbnail(self._preview))

    def last_good(self) -> Checkpoint:
        """Checkpoint that was written last."""
        return self._run.load(LATEST)

    def _described(self, progress: Progress) -> ModelSpec:
        """Describe the model as it is now."""
        provenance = {
            **self._spec.provenance,
            "iterations": progress.iteration,
            "seconds": round(progress.seconds, 1),
        }
        if progress.changes:
            provenance["changes under way"] = list(progress.changes)
        patch = progress.footprint.patch_size
        return replace(self._spec, patch_size=patch, provenance=provenance)

    def _thumbnail(self, preview: Preview | None) -> bytes | None:
        """Picture of the model, which is written to the run folder as well."""
        picture = draw_thumbnail(preview) if preview else None
        if picture is not None:
            self._run.write_thumbnail(picture)
        return picture

    def _keeps_best(self, progress: Progress) -> bool:
        """Whether the best epoch is to be preferred to the annealed last one.

        Few held-out voxels make scores noisy, and the best of many noisy scores is
        often not the best model. So without a choice it has to be clearly better, and
        its validation loss must say so too: a network that still learns may please one
        image that differs from the others.
        """
        best, last = progress.best_score, self._spec.scores.get("IoU")
        if best is None or self.keeps_last:
            return False
        if self._training.keep_weights == "best":
            return True
        is_better = best > (last or 0.0) + _CLEARLY_BETTER
        return is_better and not _is_worse(progress.best_loss, progress.latest_loss)


def _is_worse(loss: float | None, other: float | None) -> bool:
    """Whether a loss is known to be the worse one; what is not finite is the worst."""
    if loss is None or other is None or not math.isfinite(other):
        return False
    return not math.isfinite(loss) or loss > other
