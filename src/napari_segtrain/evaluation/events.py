"""What a running evaluation reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from napari_segtrain.control import Event
from napari_segtrain.evaluation.report import ImageScores


@dataclass(frozen=True)
class EvaluationEvent(Event):
    """Something that happened while scoring."""


@dataclass(frozen=True)
class BlockScored(EvaluationEvent):
    """A part of an image was compared.

    Parameters
    ----------
    name : str
        Name of the image.
    n_done, n_total : int
        Work done and in all, in voxels; objects count as a second pass.
    """

    is_frequent: ClassVar[bool] = True

    name: str
    n_done: int
    n_total: int


@dataclass(frozen=True)
class ImageScored(EvaluationEvent):
    """The scores of one image are known.

    Parameters
    ----------
    name : str
        Name of the image.
    n_done, n_total : int
        Images scored so far, this one included, and in all.
    scores : ImageScores
        Of this image.
    """

    name: str
    n_done: int
    n_total: int
    scores: ImageScores
