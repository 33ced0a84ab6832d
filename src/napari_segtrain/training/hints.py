"""Hints in plain words while a network learns, each from a rule about what is measured.

The functions ``find_...`` are the rules; each hint is given once in a run.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.training.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from napari_segtrain.data.object_recipe import ObjectRecipe
    from napari_segtrain.training.events import Notice

_RECENT = 3
"""Epochs over which a fall of the score is averaged."""
_FALL = 0.02
_GAIN = 0.05

_RARE_SHARE = 1e-3
_RARE_BATCHES = 50
_RARE_EPOCH = 2
_LEARNED_IOU = 0.3

_RISE = 0.1
_RISES, _OF_LAST = 2, 4

_WAITING_SHARE = 0.3
_WAITING_EPOCHS = 2
_WAITING_SECONDS = 20.0


@dataclass(frozen=True)
class Trace:
    """What the rules look at of an epoch.

    Parameters
    ----------
    training_loss : float
        Mean over the epoch.
    score, validation_loss : float, optional
        Of what is held out; ``None`` when nothing is.
    iou : mapping of str to float
        Validation IoU per class name.
    data_share : float
        Share of the time spent waiting for batches.
    seconds : float
        Since the start of the run.
    """

    training_loss: float
    score: float | None
    iou: Mapping[str, float | None]
    data_share: float
    seconds: float
    validation_loss: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Trace:
        """Take the values of an `EpochEnd`, or of a line of ``metrics.jsonl``."""
        loss, share = row["training_loss"], row.get("data_share", 0.0)
        return cls(
            training_loss=loss,
            score=row.get("score"),
            iou=row.get("iou", {}),
            data_share=share,
            seconds=row.get("seconds", 0.0),
            validation_loss=row.get("validation_loss"),
        )


class ClassCounter:
    """Counts the labelled voxels of each class in the first batches of a run.

    Parameters
    ----------
    names : sequence of str
        Of the classes, in the order of their indices.
    objects : ObjectRecipe, optional
        Parts of objects that are learned of a class.
    """

    def __init__(
        self, names: Sequence[str], objects: ObjectRecipe | None = None
    ) -> None:
        self._names = names
        self._objects = objects
        self._counts = np.zeros(len(names), np.int64)
        self._n_batches = 0

    def add(self, targets: torch.Tensor) -> None:
        """Count a batch; indices of classes or parts as uint8, of any shape."""
        if self._n_batches < _RARE_BATCHES:
            found = targets.numpy().ravel()
            if self._objects is not None:
                found = self._objects.to_classes(found)
            counts = np.bincount(found, minlength=len(self._names))
            self._counts += counts[: len(self._names)]
            self._n_batches += 1

    def shares(self) -> dict[str, float]:
        """Share of each class, by name; empty before enough batches were counted."""
        if self._n_batches < _RARE_BATCHES or not self._counts.any():
            return {}
        shares = self._counts / self._counts.sum()
        return dict(zip(self._names, shares.tolist(), strict=True))


class Hints:
    """Gives each hint once.

    Parameters
    ----------
    names : sequence of str
        Of the classes, in the order of their indices.
    objects : ObjectRecipe, optional
        Parts of objects that are learned of a class.
    solver : str
        By which the network learns; ``training.solver`` of a new run.
    """

    def __init__(
        self,
        names: Sequence[str],
        objects: ObjectRecipe | None = None,
        *,
        solver: str = "auto",
    ) -> None:
        self.counter = ClassCounter(names, objects)
        self._solver = solver
        self._traces: list[Trace] = []
        self._said: set[str] = set()

    def go_on_from(
        self, metrics: Sequence[Mapping[str, Any]], notices: Sequence[Mapping[str, Any]]
    ) -> None:
        """Take over the lines that earlier parts of a run have written."""
        self._traces = [Trace.of(row) for row in metrics]
        self._said = {row["kind"] for row in notices}

    def after_epoch(self, row: Mapping[str, Any]) -> Iterator[tuple[Notice, Finding]]:
        """Look at another epoch; see `Trace.of`."""
        self._traces.append(Trace.of(row))
        found: dict[Notice, Finding | None] = {
            "over-fitting": find_overfitting(self._traces),
            "rare-class": find_rare_class(self._traces, self.counter.shares()),
            "learning-rate": find_high_rate(self._traces, self._solver),
            "waiting": find_waiting(self._traces),
        }
        for kind, finding in found.items():
            if finding is not None and kind not in self._said:
                self._said.add(kind)
                yield kind, finding


def find_overfitting(traces: Sequence[Trace]) -> Finding | None:
    """Whether the training loss still falls while the score has fallen.

    So it is when the mean score of the last 3 epochs is at least 0.02 below the best
    one, which was before them, their mean training loss at least 5 % below that of the
    best epoch, and their mean validation loss not below it.
    """
    scores = [trace.score or 0.0 for trace in traces]
    best = int(np.argmax(scores)) if scores else 0
    if len(traces) - best <= _RECENT:
        return None
    score = float(np.mean(scores[-_RECENT:]))
    loss = float(np.mean([trace.training_loss for trace in traces[-_RECENT:]]))
    has_fallen = score <= scores[best] - _FALL
    if not has_fallen or loss > (1 - _GAIN) * traces[best].training_loss:
        return None
    held_out = [trace.validation_loss or 0.0 for trace in traces]
    if float(np.mean(held_out[-_RECENT:])) < held_out[best]:
        return None
    return Finding(
        "warning",
        "The network begins to learn the training patches by heart: the training loss "
        f"still falls, but the score of what is held out fell from {scores[best]:.2f} "
        f"to {score:.2f}.",
        "Finish now, label more, or use stronger augmentation or a smaller network.",
        "augmentation.preset",
    )


def find_rare_class(
    traces: Sequence[Trace], shares: Mapping[str, float]
) -> Finding | None:
    """Whether a class hardly occurs in the patches and is not learned.

    So it is when it makes up less than 0.1 % of the labelled voxels of the first 50
    batches, and its IoU is still below 0.3, or not known, at the end of the second
    epoch or later.
    """
    if len(traces) < _RARE_EPOCH:
        return None
    iou = traces[-1].iou
    rare = {
        name: share
        for name, share in shares.items()
        if share < _RARE_SHARE and (iou.get(name) or 0.0) < _LEARNED_IOU
    }
    if not rare:
        return None
    named = ", ".join(f"'{name}' ({share:.2%})" for name, share in rare.items())
    return Finding(
        "warning",
        f"Hardly any voxels of the training patches are of {named}, so the network "
        "hardly learns that.",
        "Label more of it, or give it more weight in the loss.",
        "loss.class_weights",
    )


def find_high_rate(traces: Sequence[Trace], solver: str) -> Finding | None:
    """Whether the training loss rises or goes up and down.

    So it is when the mean over an epoch rose by more than 10 % of that of the first
    epoch, in 2 of the last 4 epochs.
    """
    losses = [trace.training_loss for trace in traces]
    pairs = list(itertools.pairwise(losses))[-_OF_LAST:]
    n_rises = sum(after - before > _RISE * losses[0] for before, after in pairs)
    if n_rises < _RISES:
        return None
    return Finding(
        "warning",
        "The training loss does not settle: it rose in "
        f"{n_rises} of the last {len(pairs)} epochs.",
        f"Try a learning rate three to ten times lower, with training.solver {solver}.",
        "training.learning_rate",
    )


def find_waiting(traces: Sequence[Trace]) -> Finding | None:
    """Whether the network waits for patches.

    So it is when that takes more than 30 % of the time in 2 epochs in a row, in a run
    that has lasted for 20 s.
    """
    shares = [trace.data_share for trace in traces[-_WAITING_EPOCHS:]]
    if len(shares) < _WAITING_EPOCHS or traces[-1].seconds < _WAITING_SECONDS:
        return None
    if min(shares) <= _WAITING_SHARE:
        return None
    return Finding(
        "warning",
        f"The network waits for patches {shares[-1]:.0%} of the time.",
        "Use more loader threads, let more megabytes be kept in memory, or copy the "
        "images to a faster disk.",
        "sampling.loader_threads",
    )
