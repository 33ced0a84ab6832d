"""The plan of each training of a cross-validation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.config import TimeBudgetLength
from napari_segtrain.errors import ConfigError
from napari_segtrain.training import defaults
from napari_segtrain.training.pacing import TUNING_SHARE
from napari_segtrain.training.schedule import time_limit
from napari_segtrain.training.tuning import tunes_decision

if TYPE_CHECKING:
    from napari_segtrain.config import ExperimentConfig
    from napari_segtrain.training.plan import TrainingPlan

_JOINING_SHARE = 0.02
"""Of a time budget, for making one model of all."""
_MIN_SECONDS = 1.0


def plan_of_fold(plan: TrainingPlan, number: int) -> TrainingPlan:
    """Plan of one training of a cross-validation.

    It has its own held-out regions, seed and share of a given time, and chooses no
    decision, since one is chosen for all.

    Parameters
    ----------
    plan : TrainingPlan
        Of the cross-validation.
    number : int
        Fold, counted from 1.

    Raises
    ------
    ConfigError
        When the time is too short for all folds.
    """
    n_folds = len(plan.facts.folds)
    split = plan.facts.folds[number - 1]
    facts = replace(plan.facts, split=split, folds=())
    dims = plan.info.dims
    share = 1 - _final_share(plan)
    return replace(
        plan,
        config=_config_of_fold(plan.config, number, n_folds, share),
        facts=facts,
        validation=defaults.validation_boxes(facts, dims, is_cpu=plan.machine.is_cpu),
        max_minutes=share * plan.max_minutes / n_folds,
    )


def tuning_seconds(plan: TrainingPlan, used: float) -> float | None:
    """Time for choosing the decision of all folds; ``None`` without a limit.

    Parameters
    ----------
    plan : TrainingPlan
        Of the cross-validation.
    used : float
        Seconds that its trainings took.
    """
    limit = time_limit(plan.config.training.length, plan.max_minutes)
    if limit is None:
        return None
    return min((1 - _JOINING_SHARE) * limit - used, TUNING_SHARE * limit)


def _final_share(plan: TrainingPlan) -> float:
    """Share of a given time for what follows the trainings."""
    return _JOINING_SHARE + (TUNING_SHARE if tunes_decision(plan) else 0.0)


def _config_of_fold(
    config: ExperimentConfig, number: int, n_folds: int, share: float
) -> ExperimentConfig:
    training = config.training
    length = training.length
    if isinstance(length, TimeBudgetLength):
        seconds = share * length.seconds / n_folds
        if seconds < _MIN_SECONDS:
            least = math.ceil(n_folds * _MIN_SECONDS / share)
            raise ConfigError(
                f"A time of {length.seconds:g} s is too short for {n_folds} folds; "
                f"give at least {least} s, or use a smaller validation.k."
            )
        length = length.model_copy(update={"seconds": seconds})
    seed = (training.seed + number - 1) % (1 << 32)
    changes = {"length": length, "seed": seed, "tune_decision": False}
    return config.model_copy(update={"training": training.model_copy(update=changes)})
