"""What is minimized: one of several losses, and how much each class weighs in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeFloat, model_validator

from napari_segtrain.config.base import Auto, Config


class NoClassWeights(Config):
    """Every class weighs the same."""

    kind: Literal["none"] = "none"


class InverseFrequencyWeights(Config):
    """A class weighs the inverse of its number of labelled voxels."""

    kind: Literal["inverse-frequency"] = "inverse-frequency"


class EffectiveNumberWeights(Config):
    """A class weighs the inverse of its effective number of voxels (Cui 2019)."""

    kind: Literal["effective-number"] = "effective-number"
    beta: float = Field(0.999999, ge=0, lt=1)
    """1 - 1/N: more than about N voxels of a class count as N; 0 weighs all alike."""


class NamedClassWeights(Config):
    """Weights by the names of the classes; a class that is not named weighs 1."""

    kind: Literal["by-name"] = "by-name"
    weights: dict[str, NonNegativeFloat] = Field(
        default_factory=dict, examples=[{"membrane": 3}]
    )
    """Weight of each class by its name, such as {membrane: 3}."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.weights:
            raise ValueError("name at least one class, such as membrane: 3")
        return self


class OrderedClassWeights(Config):
    """One weight for each class, in the order of the classes."""

    kind: Literal["in-order"] = "in-order"
    weights: tuple[NonNegativeFloat, ...] = Field(min_length=1, examples=[[1, 3]])
    """Weight of each class, that of the background first."""


def _with_kind(value: Any) -> Any:
    """Short forms: a kind alone, weights in order, weights by name."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, list | tuple):
        return {"kind": "in-order", "weights": value}
    if isinstance(value, dict) and "kind" not in value:
        return {"kind": "by-name", "weights": value}
    return value


ClassWeightsConfig = Annotated[
    NoClassWeights
    | InverseFrequencyWeights
    | EffectiveNumberWeights
    | NamedClassWeights
    | OrderedClassWeights,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]


class _WeightedLoss(Config):
    name: str
    class_weights: ClassWeightsConfig = NoClassWeights()
    """How much each class counts: none, inverse-frequency, effective-number, or
    weights by hand."""


class _OverlapLoss(_WeightedLoss):
    exclude_background: bool = False
    """Leave the background's own overlap out; its voxels still count against the other
    classes."""


class DiceCrossEntropyConfig(_WeightedLoss):
    """Weighted sum of the Dice loss and cross-entropy."""

    name: Literal["dice-cross-entropy"] = "dice-cross-entropy"

    exclude_background: bool | Auto = "auto"
    """Leave the background's own overlap out; its voxels still count against the other
    classes. auto does so unless labels are sparse."""

    dice_weight: float = Field(1.0, ge=0)
    """Weight of the Dice loss."""

    cross_entropy_weight: float = Field(1.0, ge=0)
    """Weight of the cross-entropy."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.dice_weight + self.cross_entropy_weight == 0:
            raise ValueError("one of the two weights must be greater than 0")
        if self.exclude_background is True and self.dice_weight == 0:
            raise ValueError("exclude_background needs a dice_weight greater than 0")
        return self


class CrossEntropyConfig(_WeightedLoss):
    """Cross-entropy, the mean over the labelled voxels."""

    name: Literal["cross-entropy"] = "cross-entropy"


class DiceConfig(_OverlapLoss):
    """Dice loss, the mean over the classes of a batch (Milletari 2016)."""

    name: Literal["dice"] = "dice"


class GeneralizedDiceConfig(_OverlapLoss):
    """Generalized Dice of each patch, as in DeepMIB: rare classes count as much."""

    name: Literal["generalized-dice"] = "generalized-dice"


class FocalConfig(_WeightedLoss):
    """Focal loss: cross-entropy that passes over what is easy (Lin 2017)."""

    name: Literal["focal"] = "focal"

    gamma: float = Field(2.0, ge=0, le=10)
    """How much voxels count less that are predicted well; 0 is cross-entropy."""

    alpha: float = Field(0.25, gt=0, lt=1)
    """Weight of the classes that are not background; it has 1 - alpha."""


class TverskyConfig(_OverlapLoss):
    """Tversky loss: Dice with prices for too much and too little (Salehi 2017)."""

    name: Literal["tversky"] = "tversky"

    alpha: float = Field(0.3, ge=0)
    """Price of false positives; 0.5 for both is the Dice loss."""

    beta: float = Field(0.7, ge=0)
    """Price of false negatives."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.alpha + self.beta == 0:
            raise ValueError("one of alpha and beta must be greater than 0")
        return self


class BoundaryCrossEntropyConfig(_WeightedLoss):
    """Cross-entropy that counts most between close objects, as in PyJAMAS."""

    name: Literal["boundary-cross-entropy"] = "boundary-cross-entropy"

    border_weight: float = Field(10.0, ge=0)
    """Weight where two objects meet (w0); a voxel far from all has up to 1."""

    border_sigma: float = Field(5.0, gt=0, le=100)
    """How far the weight of a gap between objects reaches, in voxels (sigma)."""


def _with_name(value: Any) -> Any:
    """Short form, a name alone; and files from before there was a choice."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" not in value:
        return {"name": "dice-cross-entropy", **value}
    return value


LossConfig = Annotated[
    DiceCrossEntropyConfig
    | CrossEntropyConfig
    | DiceConfig
    | GeneralizedDiceConfig
    | FocalConfig
    | TverskyConfig
    | BoundaryCrossEntropyConfig,
    Field(discriminator="name"),
    BeforeValidator(_with_name),
]
