"""A training in words: its state, its progress and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.ui.widgets.texts import duration_text, remaining_text

if TYPE_CHECKING:
    from napari_segtrain.training.events import TrainingResult
    from napari_segtrain.ui.training_run import TrainingRun


def state_text(run: TrainingRun) -> str:
    """What the run does now."""
    if run.state == "ended":
        return _end_text(run)
    words = {
        "preparing": "Preparing: looking at images and labels",
        "training": _training_text(run),
        "pausing": "Paused",
        "finishing": "Finishing: settling the weights, then saving",
        "stopping": "Stopping: saving what was learned",
    }
    return words[run.state]


def _training_text(run: TrainingRun) -> str:
    if run.tuning is None:
        return f"Training{_fold_text(run)}"
    if run.tuning.task == "predicting":
        return "Predicting the held-out data, to choose a decision"
    return "Choosing a decision"


def _fold_text(run: TrainingRun) -> str:
    fold = run.fold
    return "" if fold is None else f": fold {fold.number} of {fold.n_folds}"


def progress_text(run: TrainingRun) -> str:
    """Iterations, time and what is left of a run."""
    event = run.history.last
    if event is None or not run.is_running:
        return ""
    total = f" of {event.n_iterations}" if event.n_iterations else ""
    parts = [f"iteration {event.iteration}{total}", duration_text(event.seconds)]
    if event.eta is not None and run.state == "training" and run.tuning is None:
        parts.append(_eta_text(run, event.eta))
    return " · ".join(parts)


def score_text(
    score: float | None, *, is_complete: bool = True, spread: float | None = None
) -> str:
    """The score of a model, with what it is."""
    if score is None and not is_complete:
        return "no score yet: the run was stopped before one was computed"
    if score is None:
        return "no score, as nothing was held out"
    if spread is not None:
        return f"score {score:.3f} ± {spread:.3f} (IoU, mean and spread of the folds)"
    return f"score {score:.3f} (mean IoU of held-out voxels)"


def decision_text(run: TrainingRun) -> str:
    """How the model decides, where that is not by the most likely class."""
    if run.result is None or run.result.decision is None or run.plan is None:
        return ""
    from napari_segtrain.models import decision_words

    words = decision_words(run.result.decision, run.plan.facts.classes.names)
    return f"Decision: {words}."


def _eta_text(run: TrainingRun, eta: float) -> str:
    text = remaining_text(eta)
    is_upper_bound = run.ends_at_plateau and not run.is_annealing
    return text.replace("about", "at most") if is_upper_bound else text


def _end_text(run: TrainingRun) -> str:
    if run.failure is not None:
        return "The training failed"
    result = run.result
    if result is None:
        return "The training ended"
    return _result_text(result)


def _result_text(result: TrainingResult) -> str:
    done = f"{result.iterations} iterations in {duration_text(result.seconds)}"
    if not result.is_complete:
        return f"Stopped after {done}; it can be resumed"
    return f"Done: {done}"
