"""Network and optimizer are gone when a run has ended, however it ended."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from tests.training.running import Recorder, note_builds, train
from tests.training.tasks import make_config

from napari_segtrain.errors import TrainingError
from napari_segtrain.training import learner
from napari_segtrain.workflows.training import iter_training_run


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[object]]]:
    """References to what needs memory; nothing is collected by chance meanwhile."""
    found = note_builds(monkeypatch)
    gc.disable()
    yield found
    gc.enable()


def n_alive(references: list[weakref.ref[object]]) -> int:
    assert len(references) == 2
    return sum(reference() is not None for reference in references)


@pytest.mark.parametrize("stop_at", [-1, 2])
def test_after_finish_and_stop(dataset, run_dir, alive, stop_at) -> None:
    config = make_config(training={"length": {"kind": "iterations", "iterations": 5}})
    train(dataset, config, run_dir, Recorder(stop_at=stop_at))
    assert n_alive(alive) == 0


def test_after_an_error_that_is_kept(dataset, run_dir, alive, monkeypatch) -> None:
    def broken(network, loss, optimizer, images, *rest, **settings):
        network(images).sum().backward()
        raise KeyError("as a defect would be")

    monkeypatch.setattr(learner, "train_step", broken)
    with pytest.raises(KeyError) as caught:
        train(dataset, make_config(), run_dir)
    assert n_alive(alive) == 0
    assert caught.value.__traceback__ is not None


def test_after_memory_that_never_suffices(dataset, run_dir, alive, monkeypatch) -> None:
    def never(network, loss, optimizer, images, *rest, **settings):
        network(images)
        raise MemoryError

    monkeypatch.setattr(learner, "train_step", never)
    with pytest.raises(TrainingError) as caught:
        train(dataset, make_config(), run_dir)
    assert n_alive(alive) == 0
    assert "does not suffice" in str(caught.value)


def test_after_a_run_that_is_left_alone(dataset, run_dir, alive) -> None:
    work = iter_training_run(dataset, make_config(), run_dir)
    for _ in range(4):
        next(work)
    assert n_alive(alive) == 2
    work.close()
    assert n_alive(alive) == 0
