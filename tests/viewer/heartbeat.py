"""A heart-beat of the GUI thread: how long it was held, and by whom."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from qtpy.QtCore import QObject, QTimer

_BEAT_MS = 5


@dataclass
class HeartBeat:
    """Gaps between beats, in seconds, and those that napari itself caused.

    Gaps that overlap napari's own work, such as adding a layer, are told apart.
    """

    gaps: list[float] = field(default_factory=list)
    napari_gaps: dict[str, float] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        return max(self.gaps, default=0.0)

    def describe(self) -> str:
        own = ", ".join(f"{gap * 1000:.0f} ms" for gap in sorted(self.gaps)[-5:])
        theirs = ", ".join(
            f"{name} {gap * 1000:.0f} ms" for name, gap in self.napari_gaps.items()
        )
        return f"longest gaps: {own}; inside napari: {theirs or 'none'}"


class _Pulse(QObject):
    """Counts the time between turns of the event loop."""

    def __init__(self, record: HeartBeat) -> None:
        super().__init__()
        self._record = record
        self._excluded: list[tuple[str, float]] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_timer_timeout)
        self._timer.start(_BEAT_MS)

    def exclude(self, name: str, seconds: float) -> None:
        self._excluded.append((name, seconds))

    def stop(self) -> None:
        self._timer.stop()

    def _on_timer_timeout(self) -> None:
        now = time.perf_counter()
        gap = now - self._last - sum(seconds for _, seconds in self._excluded)
        for name, seconds in self._excluded:
            known = self._record.napari_gaps.get(name, 0.0)
            self._record.napari_gaps[name] = max(known, seconds)
        self._record.gaps.append(gap)
        self._excluded.clear()
        self._last = now


@contextmanager
def heart_beat(
    monkeypatch: pytest.MonkeyPatch, *napari_methods: tuple[Any, str]
) -> Iterator[HeartBeat]:
    """Listen to the event loop; the time inside the named methods is napari's own."""
    record = HeartBeat()
    pulse = _Pulse(record)
    for owner, name in napari_methods:
        monkeypatch.setattr(owner, name, _timed(getattr(owner, name), name, pulse))
    try:
        yield record
    finally:
        pulse.stop()


def _timed(method: Any, name: str, pulse: _Pulse) -> Any:
    @functools.wraps(method)
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            pulse.exclude(name, time.perf_counter() - start)

    return timed
