"""Remarks about a plan, each with what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_segtrain.config import AutoValidation, ExperimentConfig
from napari_segtrain.training import defaults

if TYPE_CHECKING:
    from napari_segtrain.data.facts import DatasetFacts
    from napari_segtrain.training.machine import Machine

Level = Literal["info", "warning"]

_FEW_VOXELS = 500


@dataclass(frozen=True)
class Finding:
    """A remark about the plan, and what can be done about it."""

    level: Level
    text: str
    remedy: str = ""


def data_findings(config: ExperimentConfig, facts: DatasetFacts) -> list[Finding]:
    """Remarks about labels, voxel size and validation."""
    findings = [_zero_finding(facts)]
    if facts.voxel_size is None:
        findings.append(
            Finding(
                "info",
                "The voxel size is unknown, so anisotropy is not assumed.",
                "Give it with --voxel-size Z,Y,X in micrometers.",
            )
        )
    if facts.classes.is_objects:
        findings.append(
            Finding(
                "info",
                "The labels look like object ids and train as foreground; connected "
                "components give objects back.",
                "Use --target semantic if they are classes.",
            )
        )
    if not facts.split.validation:
        findings.append(_no_validation_finding(config, facts))
    absent = sorted(
        set(config.data.classes) - {row.value for row in facts.classes.rows}
    )
    if absent:
        findings.append(
            Finding(
                "warning", f"Named values that do not occur in the labels: {absent}."
            )
        )
    rows = zip(facts.classes.classes, facts.class_voxels, strict=True)
    findings += [
        Finding(
            "warning",
            f"Class '{row.name}' has only {n} labelled voxels.",
            "Label more of it.",
        )
        for row, n in rows
        if n < _FEW_VOXELS
    ]
    return findings


def _zero_finding(facts: DatasetFacts) -> Finding:
    meaning = {
        "dense": "0 is background",
        "painted-slices": "0 is background in slices that hold any label",
        "unlabelled": "0 is unlabelled",
    }[facts.classes.zero]
    ignored = [value for value in facts.classes.unlabelled_values if value != 0]
    if ignored:
        meaning += f", {', '.join(map(str, ignored))} is unlabelled"
    return Finding(
        "info",
        f"{meaning[0].upper()}{meaning[1:]}: {facts.n_used_slices} of {facts.n_slices} "
        f"slices used, {sum(facts.class_voxels)} labelled voxels.",
        "Change it with --zero dense|painted-slices|unlabelled and --ignore VALUE.",
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
    )


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
        )
    ]
