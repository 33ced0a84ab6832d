"""Until when something may go on."""

from __future__ import annotations

import threading
import time

import pytest

from napari_segtrain.control import RunControl
from napari_segtrain.training.clock import CutShort, Deadline


def test_without_a_time_there_is_no_end_but_a_stop() -> None:
    control = RunControl()
    deadline = Deadline(None, control)
    deadline.check()
    control.stop()
    assert deadline.is_over()
    with pytest.raises(CutShort) as caught:
        deadline.check()
    assert caught.value.is_stopped


@pytest.mark.parametrize("seconds", [-1.0, 0.0])
def test_no_time_is_over_at_once(seconds: float) -> None:
    with pytest.raises(CutShort) as caught:
        Deadline(seconds).check()
    assert not caught.value.is_stopped


def test_a_pause_does_not_count() -> None:
    control = RunControl()
    deadline = Deadline(0.2, control)
    control.pause()
    threading.Timer(0.4, control.resume).start()
    start = time.perf_counter()
    assert not deadline.is_over()
    assert time.perf_counter() - start > 0.3
    time.sleep(0.25)
    assert deadline.is_over()
