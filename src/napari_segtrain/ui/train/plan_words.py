"""A training plan in the words of the viewer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_segtrain.config import view_words
from napari_segtrain.config.presets import flat_values
from napari_segtrain.training.defaults import complete_loss, usual_preset
from napari_segtrain.training.describe import describe_finding, describe_plan
from napari_segtrain.workflows.failures import without_options

if TYPE_CHECKING:
    from napari_segtrain.training.findings import Finding, Level
    from napari_segtrain.training.plan import TrainingPlan

WHERE = {
    "data.classes": "in the class table",
    "data.target": "in the class table",
    "data.voxel_size": "as scale and units of the image layer",
    "data.zero": "in the class table",
    "sampling.patch_size": "under Advanced",
    "validation": "under Advanced",
}
"""Where settings are changed in the viewer."""

_THOUSAND, _MILLION = 1_000, 1_000_000


def headline(plan: TrainingPlan) -> str:
    """Network, patches and length in one line."""
    z, y, x = plan.patch_size
    patch = f"{y} × {x}" if plan.is_2d else f"{z} × {y} × {x}"
    n = _count(plan.info.n_parameters)
    names = [row.name for row in plan.facts.classes.classes]
    view = view_words(plan.network)
    return (
        f"{view} network ({n} parameters) for {len(names)} classes: "
        f"{', '.join(names)}. Patches of {patch} voxels, {plan.batch_size} at a time."
    )


def plan_rows(plan: TrainingPlan) -> list[tuple[str, str]]:
    """What the plan says, as pairs of a name and a text."""
    lines = describe_plan(plan)[: -len(plan.findings) or None]
    pairs = (line.partition(": ") for line in lines)
    return [(name[:1].upper() + name[1:], text) for name, _, text in pairs]


def finding_texts(plan: TrainingPlan) -> list[tuple[Level, str]]:
    """Findings with their remedies, and how much they are to be noticed."""
    return [(finding.level, finding_text(finding)) for finding in plan.findings]


def finding_text(finding: Finding) -> str:
    """Describe a finding with its remedy, in the words of the viewer."""
    plain = without_options(describe_finding(finding, WHERE).removeprefix("! "))
    return plain[:1].upper() + plain[1:]


def _count(number: int) -> str:
    words = {"M": "million", "k": "thousand"}
    value, _, unit = short_count(number).partition(" ")
    return f"{value} {words[unit]}" if unit else value


def short_count(number: int) -> str:
    """Return a rounded number with its unit: "1.9 M", "350 k", "86"."""
    if number >= _MILLION:
        return f"{number / _MILLION:.1f} M"
    if number >= _THOUSAND:
        return f"{round(number / _THOUSAND)} k"
    return str(number)


def resolved_values(plan: TrainingPlan) -> dict[str, Any]:
    """What the plan chose, by the path of the setting."""
    network = plan.network.model_dump()
    values = {f"network.{name}": value for name, value in network.items()}
    solver = plan.solver.model_dump()
    values |= {f"training.solver.{name}": value for name, value in solver.items()}
    augmentation = flat_values(asdict(plan.augmentation)) if plan.augmentation else {}
    loss = complete_loss(plan.config.loss, plan.facts).model_dump()
    values |= {f"loss.{name}": value for name, value in loss.items()}
    values |= {f"augmentation.{path}": value for path, value in augmentation.items()}
    if plan.objects is not None:
        values["objects.min_voxels"] = plan.objects.min_voxels
    if plan.config.augmentation.preset == "auto":
        values["augmentation.preset"] = usual_preset(plan.facts)
    return values | {
        "network.dims": plan.info.dims,
        "sampling.patch_size": plan.patch_size,
        "sampling.batch_size": plan.batch_size,
        "training.learning_rate": plan.learning_rate,
        "training.weight_decay": plan.weight_decay,
        "training.iterations_per_epoch": plan.iterations_per_epoch,
        "training.length.max_minutes": plan.max_minutes,
        "normalization.method": plan.facts.normalization.method,
        "normalization.scope": plan.facts.normalization.scope,
    }
