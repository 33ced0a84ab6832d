"""Scores of several items or images, added up."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Addable(Protocol):
    """Scores that add up with those of the same key."""

    @property
    def key(self) -> Any:
        """What they are scores of."""

    def __add__(self, other: Self, /) -> Self: ...


Scores = TypeVar("Scores", bound=Addable)


def sum_scores(scores: Iterable[Iterable[Scores]]) -> tuple[Scores, ...]:
    """Sum scores of the same key, in the order of first appearance."""
    totals: dict[Any, Scores] = {}
    for score in chain.from_iterable(scores):
        known = totals.get(score.key)
        totals[score.key] = score if known is None else known + score
    return tuple(totals.values())
