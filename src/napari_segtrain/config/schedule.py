"""How the learning rate changes in the course of a training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_segtrain.config.base import Auto, Config
from napari_segtrain.config.kinds import short_form

WarmUp = Annotated[int, Field(ge=0)] | Auto
Drop = Annotated[float, Field(gt=0, lt=1)]


class OneCycleSchedule(Config):
    """A rise, then half a cosine down (after Smith & Topin 2019).

    With an open end the rate stays up until the training is annealed.
    """

    kind: Literal["one-cycle"] = "one-cycle"
    rise: Annotated[float, Field(gt=0, lt=1)] | Auto = "auto"
    """Share of the training in which the rate rises; auto: 5 %, up to 20 iterations."""


class ConstantSchedule(Config):
    """One rate from the first iteration to the last."""

    kind: Literal["constant"] = "constant"
    warm_up: WarmUp = "auto"
    """Iterations in which the rate rises; auto: 20, or 5 % of the training if less."""


class PiecewiseSchedule(Config):
    """Steps down after every so many epochs."""

    kind: Literal["piecewise"] = "piecewise"
    drop_factor: Drop = 0.9
    """What the rate is multiplied by at each step down."""

    every_epochs: int = Field(2, ge=1)
    """Epochs between two steps down."""

    warm_up: WarmUp = "auto"
    """Iterations in which the rate rises; auto: 20, or 5 % of the training if less."""


class PolynomialSchedule(Config):
    """A power of the share of the training that is left."""

    kind: Literal["polynomial"] = "polynomial"
    power: float = Field(0.9, gt=0)
    """Of the share that is left; 1 is a straight line."""

    warm_up: WarmUp = "auto"
    """Iterations in which the rate rises; auto: 20, or 5 % of the training if less."""


class CosineSchedule(Config):
    """Half a cosine down, once or over and over (Loshchilov & Hutter 2017)."""

    kind: Literal["cosine"] = "cosine"
    cycles: int = Field(1, ge=1)
    """How many times the rate comes down; it jumps back up in between."""

    warm_up: WarmUp = "auto"
    """Iterations in which the rate rises; auto: 20, or 5 % of the training if less."""


class OnPlateauSchedule(Config):
    """Steps down whenever the score has stopped rising."""

    kind: Literal["on-plateau"] = "on-plateau"
    drop_factor: Drop = 0.5
    """What the rate is multiplied by at each step down."""

    patience: int = Field(3, ge=1)
    """Epochs without a better score, after which the rate steps down."""

    warm_up: WarmUp = "auto"
    """Iterations in which the rate rises; auto: 20, or 5 % of the training if less."""


ScheduleConfig = Annotated[
    OneCycleSchedule
    | ConstantSchedule
    | PiecewiseSchedule
    | PolynomialSchedule
    | CosineSchedule
    | OnPlateauSchedule,
    Field(discriminator="kind"),
    short_form("kind"),
]
