"""Remarks about a plan, each with what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_segtrain.axes import VoxelSize, format_voxel_size
from napari_segtrain.config import (
    AutoValidation,
    BoundaryCrossEntropyConfig,
    ExperimentConfig,
    ObjectsConfig,
)
from napari_segtrain.config.presets import USUAL_PRESET
from napari_segtrain.errors import ConfigError
from napari_segtrain.training import defaults
from napari_segtrain.training.class_weights import resolve_class_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.data.facts import DatasetFacts
    from napari_segtrain.data.object_recipe import ObjectRecipe
    from napari_segtrain.training.machine import Machine

Level = Literal["info", "warning"]

_FEW_VOXELS = 500
_TARGET_WORDS = {
    "foreground": "their foreground is learned, and each piece of it is an object",
    "boundaries": "interior, boundary and where they touch are learned",
    "distances": "how deep in its object a voxel lies is learned",
}
_SIZE_TOLERANCE = 0.01
"""Relative difference up to which voxel sizes count as the same."""


@dataclass(frozen=True)
class Finding:
    """A remark about the plan, and what can be done about it.

    Parameters
    ----------
    level : Level
        Whether it is to be noticed.
    text : str
        The remark.
    remedy : str
        What to do, in words that hold for every face.
    setting : str
        Setting of the config that changes it, such as ``data.zero``, from which a
        face tells where to change it; may be empty.
    """

    level: Level
    text: str
    remedy: str = ""
    setting: str = ""


def data_findings(config: ExperimentConfig, facts: DatasetFacts) -> list[Finding]:
    """Remarks about labels, voxel size and validation."""
    findings = [_zero_finding(facts)]
    if facts.voxel_size is None:
        findings.append(
            Finding(
                "info",
                "The voxel size is unknown; volumes are judged by their labels.",
                "Give it in micrometers.",
                "data.voxel_size",
            )
        )
    if config.data.voxel_size is None:
        findings += _voxel_size_findings(facts)
    if not facts.split.validation:
        findings.append(_no_validation_finding(config, facts))
    return [*findings, *_class_findings(config, facts)]


def augmentation_findings(
    config: ExperimentConfig, facts: DatasetFacts
) -> list[Finding]:
    """Say that patches are varied more than usually, and why."""
    preset = defaults.usual_preset(facts)
    if config.augmentation.preset != "auto" or preset == USUAL_PRESET:
        return []
    n = sum(any(used) for used in facts.used)
    what = "There is one image" if n == 1 else f"There are {n} images only"
    text = f"{what} with labels, so patches are varied strongly."
    return [Finding("info", text, setting="augmentation.preset")]


def object_findings(
    config: ExperimentConfig, facts: DatasetFacts, objects: ObjectRecipe | None
) -> list[Finding]:
    """Say how objects are learned, or that settings of objects have no effect.

    Raises
    ------
    ConfigError
        When the loss does not go with parts of objects.
    """
    if objects is None:
        if config.objects == ObjectsConfig():
            return []
        text = "The labels are classes, so the settings of objects have no effect."
        return [Finding("warning", text, "Say so if they are ids.", "data.target")]
    if objects.parts and isinstance(config.loss, BoundaryCrossEntropyConfig):
        raise ConfigError(
            "The loss boundary-cross-entropy finds the gaps between objects itself, so "
            f"it does not go with objects.target {objects.target.kind}; use another "
            "loss, or objects.target foreground."
        )
    what = _TARGET_WORDS[objects.target.kind]
    if not facts.object_voxels:
        text = f"Most values stand for several pieces, not for one object each: {what}."
        remedy = "Give each object a value of its own, or say that values are classes."
        return [Finding("warning", text, remedy, "data.target")]
    text = (
        f"The labels number objects (usual size {facts.object_voxels[1]} voxels): "
        f"{what}; predicted objects have at least {objects.min_voxels} voxels."
    )
    return [Finding("info", text, "Say so if they are classes.", "data.target")]


def _class_findings(config: ExperimentConfig, facts: DatasetFacts) -> Iterator[Finding]:
    for sentence in facts.disagreements:
        yield Finding(
            "warning", sentence, "The first name is taken; give one.", "data.classes"
        )
    known = {value for row in facts.classes.rows for value in row.all_values}
    absent = {v: name for v, name in config.data.classes.items() if v not in known}
    absent |= {row.value: row.name for row in facts.absent}
    if absent:
        named = ", ".join(f"{value} {absent[value]}" for value in sorted(absent))
        yield Finding(
            "warning",
            f"Classes that are labelled nowhere and are not trained: {named}.",
            "Label some of them, or leave them out.",
        )
    rows = zip(facts.classes.classes, facts.class_voxels, strict=True)
    for row, n in rows:
        if n < _FEW_VOXELS:
            text = f"Class '{row.name}' has only {n} labelled voxels."
            yield Finding("warning", text, "Label more of it.")


def _voxel_size_findings(facts: DatasetFacts) -> Iterator[Finding]:
    """Warn of the first sample whose voxels are of another size than the first's."""
    known = [(name, size) for name, size in facts.voxel_sizes if size is not None]
    for name, size in known[1:]:
        if _differ(known[0][1], size):
            yield Finding(
                "warning",
                f"The samples differ in voxel size: {known[0][0]} has "
                f"{format_voxel_size(known[0][1])}, {name} has "
                f"{format_voxel_size(size)}; the network is chosen by the first.",
                "Train on images of one voxel size, or give the right one for all.",
                "data.voxel_size",
            )
            return


def _differ(first: VoxelSize, second: VoxelSize) -> bool:
    pairs = zip(reversed(first), reversed(second), strict=False)
    return any(abs(a - b) > _SIZE_TOLERANCE * max(a, b) for a, b in pairs)


def _zero_finding(facts: DatasetFacts) -> Finding:
    classes = facts.classes
    named = {value: row for row in classes.classes for value in row.all_values}
    row = named.get(0)
    labelled = f"class '{row.name}'" if row and row.role == "class" else "background"
    meaning = {
        "painted-slices": f"0 is {labelled} in slices that hold any label",
        "unlabelled": "0 is unlabelled",
    }.get(classes.zero, f"0 is {labelled}")
    ignored = [value for value in classes.unlabelled_values if value != 0]
    if ignored:
        meaning += f", {', '.join(map(str, ignored))} is unlabelled"
    return Finding(
        "info",
        f"{meaning}: {facts.n_used_slices} of {facts.n_slices} "
        f"slices used, {sum(facts.class_voxels)} labelled voxels.",
        "Say so if it means something else.",
        "data.zero",
    )


def _no_validation_finding(config: ExperimentConfig, facts: DatasetFacts) -> Finding:
    is_automatic = isinstance(config.validation, AutoValidation)
    return Finding(
        "warning" if is_automatic else "info",
        f"Nothing is held out ({facts.split.reason}); the last weights are kept and no "
        "score is claimed.",
        "Label more, on another slice or image, to have the training judged."
        if is_automatic
        else "",
        "" if is_automatic else "validation",
    )


def fold_findings(facts: DatasetFacts) -> Iterator[Finding]:
    """Say what a cross-validation does."""
    if facts.folds:
        yield Finding(
            "info",
            f"{len(facts.folds)} models are trained one after another, each with "
            "another part held out; predictions average them.",
            setting="validation",
        )


def loss_findings(config: ExperimentConfig, facts: DatasetFacts) -> list[Finding]:
    """Say what each class weighs in the loss, unless all weigh the same.

    Raises
    ------
    ConfigError
        When the weights do not fit the classes.
    """
    loss = defaults.complete_loss(config.loss, facts)
    weights = resolve_class_weights(loss, facts)
    if weights is None:
        return []
    pairs = zip(facts.classes.names, weights, strict=True)
    text = ", ".join(f"{name} {weight:.3g}" for name, weight in pairs)
    return [Finding("info", f"Class weights: {text}.", setting="loss.class_weights")]


def memory_findings(memory: int, machine: Machine) -> list[Finding]:
    """Warn when an iteration needs more memory than is free, in bytes."""
    if memory <= defaults.MEMORY_SHARE * machine.memory_bytes:
        return []
    return [
        Finding(
            "warning",
            f"An iteration needs about {memory / 1e9:.1f} GB, but {machine.name} has "
            f"{machine.memory_bytes / 1e9:.1f} GB free.",
            "Use a smaller sampling.patch_size or fewer network.first_filters.",
            "sampling.patch_size",
        )
    ]
