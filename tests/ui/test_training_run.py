from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from qtpy.QtWidgets import QLabel
from tests.training.running import note_builds
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.training import learner
from napari_segtrain.ui.train.notice_view import NoticeView
from napari_segtrain.ui.train.outcome_view import OutcomeView
from napari_segtrain.ui.train.run_words import progress_text, state_text
from napari_segtrain.ui.train.training_controls import TrainingControls
from napari_segtrain.ui.training_run import TrainingRun
from napari_segtrain.ui.widgets.texts import duration_text, remaining_text

WAIT = 20_000
ENDLESS = {"length": {"kind": "iterations", "iterations": 100_000}}


def start(folder: Path, **sections) -> TrainingRun:
    """A real training of a tiny network."""
    config = make_config(**sections)

    def make(control):
        from napari_segtrain.workflows.training import iter_training_run

        return iter_training_run(
            make_dataset(3), config, folder / "run", control=control
        )

    return TrainingRun(make, "a training")


def until_ended(qtbot, run: TrainingRun) -> None:
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)


def until_trained(qtbot, run: TrainingRun, iteration: int = 1) -> None:
    def has_trained() -> bool:
        last = run.history.last
        return last is not None and last.iteration >= iteration

    qtbot.waitUntil(has_trained, timeout=WAIT)


def test_a_run_comes_to_its_end(qtbot, tmp_path: Path) -> None:
    run = start(tmp_path)
    states = [run.state]
    run.changed.connect(states.append)
    assert run.is_running
    until_ended(qtbot, run)
    assert states == ["preparing", "training", "ended"]
    assert run.failure is None
    assert run.result.is_complete
    assert run.result.iterations == 40
    assert run.run_dir == tmp_path / "run"
    assert run.history.epochs[-1].score == pytest.approx(run.result.score)
    assert run.history.preview.patches
    assert load_model(run.run_dir).spec.dims == 2
    assert state_text(run).startswith("Done: 40 iterations in ")


def test_a_stopped_run_can_be_resumed(qtbot, tmp_path: Path) -> None:
    run = start(tmp_path, training=ENDLESS)
    until_trained(qtbot, run)
    run.stop()
    assert run.state == "stopping"
    until_ended(qtbot, run)
    assert run.result.is_complete is False
    assert "can be resumed" in state_text(run)

    def resume(control):
        from napari_segtrain.workflows.training import iter_resumed_run

        return iter_resumed_run(run.run_dir, control=control)

    second = TrainingRun(resume, "resumed")
    until_trained(qtbot, second, run.result.iterations)
    second.stop()
    until_ended(qtbot, second)
    assert second.result.iterations >= run.result.iterations


def test_finish_now_ends_in_a_complete_model(qtbot, tmp_path: Path) -> None:
    run = start(tmp_path, training=ENDLESS)
    until_trained(qtbot, run)
    run.finish()
    assert run.state == "finishing"
    until_ended(qtbot, run)
    assert run.is_annealing
    assert run.result.is_complete
    assert run.result.iterations < 10_000


def test_a_pause_holds_and_goes_on(qtbot, tmp_path: Path) -> None:
    run = start(tmp_path, training=ENDLESS)
    controls = TrainingControls()
    qtbot.addWidget(controls)
    controls.show_run(run)
    until_trained(qtbot, run)
    controls.pause_button.click()
    assert run.is_paused
    qtbot.wait(300)
    n_before = run.history.last.iteration
    qtbot.wait(300)
    assert run.history.last.iteration == n_before
    assert controls.pause_button.text() == "Go &on"
    controls.pause_button.click()
    until_trained(qtbot, run, n_before + 1)
    assert run.state == "training"
    controls.stop_button.click()
    until_ended(qtbot, run)
    assert controls.start_button.isVisibleTo(controls)
    assert not controls.stop_button.isVisibleTo(controls)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("a screw is loose"), ("a screw is loose", "report")),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ("disk is full",)),
        (MemoryError(), ("Memory ran out",)),
    ],
)
def test_a_run_that_fails_ends(qtbot, error, words) -> None:
    def make(_control):
        yield from ()
        raise error

    run = TrainingRun(make, "a training")
    controls = TrainingControls()
    qtbot.addWidget(controls)
    controls.show_run(run)
    assert not controls.start_button.isVisibleTo(controls)
    until_ended(qtbot, run)
    for word in words:
        assert word in run.failure.text
    assert "Traceback" in run.failure.details
    assert controls.start_button.isVisibleTo(controls)
    assert state_text(run) == "The training failed"


def test_a_run_stops_once(qtbot, tmp_path: Path) -> None:
    run = start(tmp_path, training=ENDLESS)
    until_trained(qtbot, run)
    states: list[str] = []
    run.changed.connect(states.append)
    run.stop()
    run.stop()
    run.pause()
    assert states == ["stopping"]
    until_ended(qtbot, run)


def test_progress_in_words(qtbot, tmp_path: Path) -> None:
    run = start(tmp_path, training=ENDLESS)
    assert progress_text(run) == ""
    assert run.history.last is None
    until_trained(qtbot, run)
    run.pause()
    assert progress_text(run).startswith("iteration ")
    assert "of 100000" in progress_text(run)
    assert 0 < run.history.last.share < 0.1
    run.stop()
    until_ended(qtbot, run)
    assert progress_text(run) == ""


def test_a_history_is_thinned() -> None:
    from napari_segtrain.training.events import IterationEnd
    from napari_segtrain.ui.training_run import History

    history = History()
    for n in range(10_000):
        history.add_iteration(IterationEnd(n, None, 1.0, 1.0, 1.0, 0.0, n, None))
    numbers = [event.iteration for event in history.iterations]
    assert len(numbers) <= 4000
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-1]) == (0, 9_999)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2, "a few seconds left"),
        (42, "about 40 s left"),
        (90, "about 1.5 min left"),
        (120, "about 2 min left"),
        (1510, "about 25 min left"),
        (4000, "about 1 h 07 min left"),
    ],
)
def test_what_is_left(seconds: float, text: str) -> None:
    assert remaining_text(seconds) == text


@pytest.mark.slow
def test_the_folds_of_a_cross_validation_are_told(qtbot, tmp_path: Path) -> None:
    run = start(
        tmp_path,
        validation={"kind": "k-fold", "k": 2},
        training={"length": {"kind": "iterations", "iterations": 6}},
    )
    seen: list[str] = []
    run.reported.connect(lambda _event: seen.append(state_text(run)))
    qtbot.waitUntil(lambda: not run.is_running, timeout=3 * WAIT)
    assert "Training: fold 1 of 2" in seen
    assert "Training: fold 2 of 2" in seen
    assert "Predicting the held-out data, to choose a decision" in seen
    assert len(run.history.epochs) < len(run.result.fold_scores) * 6
    assert max(event.iteration for event in run.history.epochs) == 6
    outcome = OutcomeView()
    qtbot.addWidget(outcome)
    outcome.show_run(run)
    text = outcome.findChildren(QLabel)[0].text()
    assert f"{run.result.score:.3f} ± {run.result.spread:.3f}" in text


@pytest.mark.parametrize("way", ["finish", "stop", "error"])
def test_network_and_optimizer_are_gone_afterwards(
    qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    alive = note_builds(monkeypatch)
    if way == "error":
        monkeypatch.setattr(learner, "train_step", lambda *_, **__: 1 / 0)
    run = start(tmp_path, **({"training": ENDLESS} if way == "stop" else {}))
    if way == "stop":
        until_trained(qtbot, run)
        run.stop()
    until_ended(qtbot, run)
    assert (run.failure is not None) == (way == "error")
    qtbot.waitUntil(lambda: all(kept() is None for kept in alive), timeout=2000)
    assert len(alive) == 2


def test_memory_that_runs_out_is_said(
    qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = learner.train_step

    def greedy(network, loss, optimizer, images, *rest, **settings):
        if len(images) > 2:
            raise MemoryError
        return real_step(network, loss, optimizer, images, *rest, **settings)

    monkeypatch.setattr(learner, "train_step", greedy)
    page, controls = NoticeView(), TrainingControls()
    for widget in (page, controls):
        qtbot.addWidget(widget)
    assert page.isHidden()
    run = start(tmp_path)
    page.show_run(run)
    controls.show_run(run)
    until_ended(qtbot, run)
    sentence = (
        "Memory ran out at iteration 0; going on with 2 patches per iteration instead "
        "of 4."
    )
    assert run.note == sentence
    assert len(page.texts()) == 1
    assert page.texts()[0].startswith(sentence)
    assert not page.isHidden()
    late = NoticeView()
    qtbot.addWidget(late)
    late.show_run(run)
    assert late.texts() == page.texts()
    page.show_run(None)
    assert page.texts() == []
    assert page.isHidden()
