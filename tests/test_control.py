from __future__ import annotations

import threading
import time
from dataclasses import FrozenInstanceError, dataclass

import pytest

from napari_segtrain import errors
from napari_segtrain.control import Event, LinkedControl, RunControl


def test_nothing_is_asked_for_at_first():
    control = RunControl()
    assert not control.is_stopping
    assert not control.is_finishing
    assert not control.is_paused
    assert control.wait_while_paused() is True


@pytest.mark.parametrize("name", ["stop", "finish"])
def test_stop_and_finish_stay_set_and_are_different(name):
    control = RunControl()
    getattr(control, name)()
    control.pause()
    control.resume()
    assert control.is_stopping is (name == "stop")
    assert control.is_finishing is (name == "finish")


def test_a_pause_times_out_without_going_on():
    control = RunControl()
    control.pause()
    assert control.is_paused
    assert control.wait_while_paused(timeout=0.01) is False


@pytest.mark.parametrize("name", ["resume", "stop", "finish"])
def test_paused_work_goes_on_when_another_thread_says_so(name):
    control = RunControl()
    control.pause()
    done = []
    worker = threading.Thread(
        target=lambda: done.append(control.wait_while_paused()), daemon=True
    )
    worker.start()
    time.sleep(0.02)
    assert not done
    getattr(control, name)()
    worker.join(timeout=5)
    assert done == [True]
    assert not control.is_paused


def test_work_that_is_to_stop_is_not_held():
    control = RunControl()
    control.stop()
    control.pause()
    assert not control.is_paused
    assert control.wait_while_paused(timeout=0) is True


def test_a_linked_one_follows_the_other_and_stops_alone():
    whole = RunControl()
    part = LinkedControl(whole)
    whole.pause()
    assert part.is_paused
    assert part.wait_while_paused(timeout=0.01) is False
    part.stop()
    assert part.is_stopping
    assert not part.is_paused
    assert part.wait_while_paused() is True
    assert not whole.is_stopping
    second = LinkedControl(whole)
    whole.stop()
    assert second.is_stopping
    assert second.wait_while_paused() is True


def test_events_are_frozen():
    @dataclass(frozen=True)
    class Tick(Event):
        number: int

    tick = Tick(3)
    assert isinstance(tick, Event)
    with pytest.raises(FrozenInstanceError):
        tick.number = 4


KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.SegtrainError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_is_one_that_a_napari_worker_swallows(kind):
    assert not issubclass(kind, RuntimeError)


def test_exit_codes_tell_the_errors_apart():
    """One of a finer kind has the code of the kind that it belongs to."""
    general = (Exception, errors.SegtrainError)
    kinds = [kind for kind in KINDS if kind.__base__ in general]
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(codes) == 7
    assert 0 not in codes
