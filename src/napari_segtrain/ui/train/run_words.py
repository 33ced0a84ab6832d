"""A training in words: its state, its progress and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segtrain.training.events import IterationEnd, TrainingResult
    from napari_segtrain.ui.train.training_run import TrainingRun

_MINUTE, _HOUR = 60, 3600
_SOON = 5
_LONG_MINUTES = 10


def duration_text(seconds: float) -> str:
    """Short text of a time: "8 s", "2 min 05 s", "1 h 10 min"."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def remaining_text(seconds: float) -> str:
    """Rounded text of an estimated time."""
    if seconds < _SOON:
        return "a few seconds left"
    if seconds < _MINUTE:
        return f"about {_SOON * round(seconds / _SOON)} s left"
    minutes = seconds / _MINUTE
    if minutes < _LONG_MINUTES:
        return f"about {minutes:.1f} min left".replace(".0 min", " min")
    return f"about {duration_text(_MINUTE * round(minutes))} left".replace(" 00 s", "")


def share_done(event: IterationEnd | None) -> float | None:
    """Share of a run that is done, 0 to 1; ``None`` when it is not known."""
    if event is None:
        return None
    if event.n_iterations:
        return min(1.0, event.iteration / event.n_iterations)
    if event.eta is None:
        return None
    return event.seconds / max(1e-3, event.seconds + event.eta)


def state_text(run: TrainingRun) -> str:
    """What the run does now."""
    if run.state == "ended":
        return _end_text(run)
    words = {
        "preparing": "Preparing: looking at images and labels",
        "training": "Training",
        "pausing": "Paused",
        "finishing": "Finishing: settling the weights, then saving",
        "stopping": "Stopping: saving what was learned",
    }
    return words[run.state]


def progress_text(run: TrainingRun) -> str:
    """Iterations, time and what is left of a run."""
    event = run.history.last
    if event is None or not run.is_running:
        return ""
    total = f" of {event.n_iterations}" if event.n_iterations else ""
    parts = [f"iteration {event.iteration}{total}", duration_text(event.seconds)]
    if event.eta is not None and run.state == "training":
        parts.append(_eta_text(run, event.eta))
    return " · ".join(parts)


def score_text(score: float | None, *, is_complete: bool = True) -> str:
    """The score of a model, with what it is."""
    if score is None and not is_complete:
        return "no score yet: the run was stopped before one was computed"
    if score is None:
        return "no score, as nothing was held out"
    return f"score {score:.3f} (mean IoU of held-out voxels)"


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
