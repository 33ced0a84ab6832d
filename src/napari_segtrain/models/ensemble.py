"""Models of the same kind as one model, which averages their probabilities."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.models.calibration import joined_calibration
from napari_segtrain.networks.ensemble import Ensemble

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from napari_segtrain.models.bundle import Model
    from napari_segtrain.models.spec import ModelSpec

SPREAD = "IoU spread"
"""Name of the score that tells how far the members' IoU lie apart."""
_PREFIX = "members.0."


def join_models(models: Sequence[Model]) -> Model:
    """Make one model of several with the same network, classes and normalization.

    Its scores are the means of those of its members; their spread is the standard
    deviation of the IoU.

    Parameters
    ----------
    models : sequence of Model
        Such as those of the folds of a cross-validation; one alone stays no ensemble.
    """
    from napari_segtrain.models.bundle import Model

    first = models[0].spec
    scores = [model.spec.scores for model in models]
    provenance = {
        **first.provenance,
        "folds": scores,
        "iterations": sum(m.spec.provenance["iterations"] for m in models),
        "seconds": round(sum(m.spec.provenance["seconds"] for m in models), 1),
    }
    spec = replace(
        first,
        n_members=len(models),
        scores=mean_scores(scores),
        decision=None,
        calibration=joined_calibration([m.spec.calibration for m in models]),
        provenance=provenance,
    )
    members = [model.network for model in models]
    network = Ensemble(members) if len(members) > 1 else members[0]
    return Model(spec, network.eval().requires_grad_(requires_grad=False))


def mean_scores(
    scores: Sequence[Mapping[str, float | None]],
) -> dict[str, float | None]:
    """Mean of each score over those that have it, and the spread of the IoU."""
    means: dict[str, float | None] = {}
    for name in scores[0]:
        known = [value for row in scores if (value := row.get(name)) is not None]
        means[name] = statistics.fmean(known) if known else None
    ious = [value for row in scores if (value := row.get("IoU")) is not None]
    if len(ious) > 1:
        means[SPREAD] = statistics.stdev(ious)
    return means


def first_member(
    spec: ModelSpec, weights: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Weights of a model that is no ensemble, or of the first member of one."""
    if spec.n_members == 1:
        return dict(weights)
    return {
        name.removeprefix(_PREFIX): value
        for name, value in weights.items()
        if name.startswith(_PREFIX)
    }
