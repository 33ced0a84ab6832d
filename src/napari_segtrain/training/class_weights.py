"""How much each class counts in the loss."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.config import (
    EffectiveNumberWeights,
    InverseFrequencyWeights,
    NamedClassWeights,
    OrderedClassWeights,
)
from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_segtrain.config import ClassWeightsConfig, LossConfig
    from napari_segtrain.data.facts import DatasetFacts


def resolve_class_weights(
    config: LossConfig, facts: DatasetFacts
) -> tuple[float, ...] | None:
    """Return the weight of each class, or ``None`` when all weigh the same.

    Parameters
    ----------
    config : LossConfig
        What was asked for.
    facts : DatasetFacts
        Classes, and how many voxels each has.

    Returns
    -------
    tuple of float or None
        In the order of the class indices; their mean is 1.

    Raises
    ------
    ConfigError
        When a weight is for no class, all weights that count are 0, or there is no
        background to leave out.
    """
    counted = np.ones(facts.classes.n_classes, bool)
    if getattr(config, "exclude_background", False):
        counted[_background(facts)] = False
    weights = _raw_weights(config.class_weights, facts)
    if weights is None:
        return None
    if not (weights * counted).any():
        raise ConfigError(
            "All loss.class_weights that count are 0, so nothing would be learned; "
            "give a class a weight greater than 0."
        )
    return tuple((weights / weights.mean()).tolist())


def _background(facts: DatasetFacts) -> int:
    for index, row in enumerate(facts.classes.classes):
        if row.role == "background":
            return index
    raise ConfigError(
        "loss.exclude_background is on, but no class is the background; switch it "
        "off, or name the background's label value in data.background."
    )


def _raw_weights(
    config: ClassWeightsConfig, facts: DatasetFacts
) -> npt.NDArray[np.float64] | None:
    counts = np.array(facts.class_voxels, float)
    if isinstance(config, InverseFrequencyWeights):
        return _inverse(counts)
    if isinstance(config, EffectiveNumberWeights):
        return _inverse(effective_number(counts, config.beta))
    if isinstance(config, NamedClassWeights):
        return _named(config.weights, facts.classes.names)
    if isinstance(config, OrderedClassWeights):
        return _ordered(config.weights, facts.classes.names)
    return None


def effective_number(
    counts: npt.NDArray[np.float64], beta: float
) -> npt.NDArray[np.float64]:
    """Effective number of samples, (1 - beta^n) / (1 - beta) (Cui 2019, CVPR)."""
    if beta == 0:
        return np.minimum(counts, 1.0)
    effective: npt.NDArray[np.float64] = -np.expm1(counts * np.log(beta)) / (1 - beta)
    return effective


def _inverse(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Inverse, where a class without voxels, which teaches nothing, weighs 0."""
    return np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)


def _named(weights: dict[str, float], names: Sequence[str]) -> npt.NDArray[np.float64]:
    for name in weights:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"is '{near[0]}' meant?" if near else "name one of these."
            raise ConfigError(
                f"loss.class_weights names '{name}', but the classes are "
                f"{', '.join(names)}; {hint}"
            )
    return np.array([weights.get(name, 1.0) for name in names])


def _ordered(weights: Sequence[float], names: Sequence[str]) -> npt.NDArray[np.float64]:
    if len(weights) != len(names):
        raise ConfigError(
            f"loss.class_weights has {len(weights)} weights for {len(names)} classes; "
            f"give one each, in the order {', '.join(names)}."
        )
    return np.array(weights)
