"""The optimizer and how long a training lasts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from napari_segtrain.config.base import Auto, Config
from napari_segtrain.config.kinds import short_form
from napari_segtrain.config.schedule import (
    OneCycleSchedule,
    OnPlateauSchedule,
    ScheduleConfig,
)
from napari_segtrain.config.solver import AutoSolver, SolverConfig


class IterationsLength(Config):
    """A number of iterations."""

    kind: Literal["iterations"] = "iterations"
    iterations: int = Field(1000, ge=1)
    """Optimizer steps."""


class EpochsLength(Config):
    """A number of epochs."""

    kind: Literal["epochs"] = "epochs"
    epochs: int = Field(20, ge=1)
    """Epochs of `iterations_per_epoch` iterations."""


class TimeBudgetLength(Config):
    """A time, from the call to the model on disk."""

    kind: Literal["time-budget"] = "time-budget"
    seconds: float = Field(60.0, ge=1)
    """Seconds; validation and saving included."""


class PlateauLength(Config):
    """Until the score stops rising."""

    kind: Literal["plateau"] = "plateau"
    patience: int = Field(6, ge=1)
    """Epochs without a better score, after which the rate is annealed."""

    max_minutes: PositiveFloat | Auto = "auto"
    """Longest time; auto is 10 minutes on a CPU and 30 on a GPU."""


LengthConfig = Annotated[
    IterationsLength | EpochsLength | TimeBudgetLength | PlateauLength,
    Field(discriminator="kind"),
    short_form("kind"),
]


class TrainingConfig(Config):
    """How the network is fitted."""

    length: LengthConfig = PlateauLength()
    """When to end: iterations, epochs, time-budget or plateau."""

    iterations_per_epoch: PositiveInt | Auto = "auto"
    """Iterations between two validations."""

    solver: SolverConfig = AutoSolver()
    """By which rule the network learns: auto, muon, adamw, adam, sgd or rmsprop."""

    learning_rate: PositiveFloat | Auto = "auto"
    """Peak of the schedule; auto is 0.1 with muon and sgd, 2e-3 with adam and adamw,
    and 1e-3 with rmsprop. A rate that is given with solver auto is taken for AdamW."""

    schedule: ScheduleConfig = OneCycleSchedule()
    """Course of the learning rate: one-cycle, constant, piecewise, polynomial, cosine
    or on-plateau. What follows the share of the training takes, until plateau, its
    longest time; a training until plateau is annealed at its end."""

    weight_decay: NonNegativeFloat | Auto = "auto"
    """Decay of the weights, but not of biases and norms: decoupled from the gradient
    with muon and adamw, an L2 penalty with the other solvers. auto is 0.1 with muon
    and 1e-4 with the others."""

    gradient_clip: float = Field(1.0, gt=0)
    """Greatest norm of the gradient; with muon it bounds the steps of biases and norms
    only, since those of all other weights have a size of their own."""

    ema_decay: float = Field(0.99, ge=0, lt=1)
    """Decay per iteration of the running mean of the weights, which is validated and
    kept; ramped up from 0. 0: the weights themselves."""

    frozen_encoder: Annotated[float, Field(ge=0, le=1)] | Auto = "auto"
    """Of a training that goes on from a model: the share of it, from the start, in
    which the encoder stays as it was and only the decoder learns. 0: never; 1: all of
    the training, for very few labels; auto is 0.1."""

    keep_weights: Auto | Literal["best", "last"] = "auto"
    """Those of the epoch with the best score, or of the last iteration; auto is the
    last, unless the best score is clearly higher and its epoch's loss no worse."""

    tune_decision: bool = True
    """At the end, choose on the held-out data how probabilities become classes: a
    threshold per class, a median filter, and the smallest part that is kept. Only what
    clearly raises the score is taken, and only for classes, not for objects. In a
    cross-validation one is chosen for all its networks, on what each has not seen. It
    takes about a twentieth of a time budget, or of the longest time of a plateau; a
    length in iterations or epochs sets no limit to it. Predictions use it unless told
    otherwise."""

    seed: int = Field(0, ge=0, lt=1 << 32)
    """Seed of the split, the patches, the augmentation and the first weights."""

    device: Auto | Literal["cpu", "cuda", "mps"] = "auto"
    """Where the network computes."""

    memory_limit: PositiveFloat | Auto = "auto"
    """Most memory that the plan counts on, in GB; auto is what is free."""

    n_threads: PositiveInt | Auto = "auto"
    """CPU threads of torch; auto is torch's own choice."""

    amp: bool = True
    """Mixed precision, on CUDA only."""

    checkpoint_every: int = Field(0, ge=0)
    """Keep the checkpoint of every so many epochs, besides best and latest; 0: none."""

    tensorboard: bool = False
    """Write curves and preview patches for TensorBoard, too, into the run folder; needs
    the tensorboard extra."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        schedule, length = self.schedule, self.length
        if (
            isinstance(schedule, OnPlateauSchedule)
            and isinstance(length, PlateauLength)
            and schedule.patience >= length.patience
        ):
            raise ValueError(
                f"the patience of the schedule ({schedule.patience} epochs) must be "
                f"less than that of the length ({length.patience}), or the training "
                "ends before the rate steps down"
            )
        return self
