"""Long work, run to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from napari_segtrain.control import Event

Result = TypeVar("Result")
Listener = Callable[[Event], None]


def run(
    work: Generator[Event, None, Result], on_event: Listener | None = None
) -> Result:
    """Consume a generator of events and return its result.

    Parameters
    ----------
    work : generator of Event
        One of the ``iter_`` functions.
    on_event : callable, optional
        Is given each event.
    """
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        if on_event is not None:
            on_event(event)
