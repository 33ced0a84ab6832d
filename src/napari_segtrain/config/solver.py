"""By which rule a step changes the weights."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from napari_segtrain.config.base import Config
from napari_segtrain.config.kinds import short_form

Decay = Annotated[float, Field(ge=0, lt=1)]


class AutoSolver(Config):
    """Muon; or AdamW when a learning rate is given, as those in papers are for it."""

    kind: Literal["auto"] = "auto"


class MuonSolver(Config):
    """Learns most from few iterations on most images (Jordan et al. 2024).

    The changes of a layer are made about equally large in all directions. Biases and
    norms follow SGD with a momentum of 0.9 at half the rate.
    """

    kind: Literal["muon"] = "muon"
    momentum: Decay = 0.6
    """Share of the earlier gradients that the direction of a step keeps."""


class AdamWSolver(Config):
    """Adam with a weight decay of its own (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    beta1: Decay = 0.9
    """Decay per iteration of the running mean of the gradient."""

    beta2: Decay = 0.999
    """Decay per iteration of the running mean of the squared gradient."""


class AdamSolver(Config):
    """Adam (Kingma & Ba 2015), the weight decay added to the gradient (L2)."""

    kind: Literal["adam"] = "adam"
    beta1: Decay = 0.9
    """Decay per iteration of the running mean of the gradient."""

    beta2: Decay = 0.999
    """Decay per iteration of the running mean of the squared gradient."""


class SgdSolver(Config):
    """Stochastic gradient descent with momentum, the weight decay as L2."""

    kind: Literal["sgd"] = "sgd"
    momentum: Decay = 0.9
    """Share of the last step that the next one keeps."""

    nesterov: bool = True
    """Look ahead along the momentum (Sutskever et al. 2013)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum greater than 0, or to be off")
        return self


class RmspropSolver(Config):
    """RMSprop (Tieleman & Hinton 2012), the weight decay as L2."""

    kind: Literal["rmsprop"] = "rmsprop"
    smoothing: Decay = 0.99
    """Decay per iteration of the running mean of the squared gradient."""

    momentum: Decay = 0.0
    """Share of the last step that the next one keeps."""


FixedSolverConfig = Annotated[
    MuonSolver | AdamWSolver | AdamSolver | SgdSolver | RmspropSolver,
    Field(discriminator="kind"),
]
SolverConfig = Annotated[
    AutoSolver | MuonSolver | AdamWSolver | AdamSolver | SgdSolver | RmspropSolver,
    Field(discriminator="kind"),
    short_form("kind"),
]
