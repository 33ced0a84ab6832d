"""A plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.axes import format_voxel_size, size_text
from napari_segtrain.config import network_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.image import ClassInfo
    from napari_segtrain.training.findings import Finding
    from napari_segtrain.training.plan import TrainingPlan


def describe_plan(
    plan: TrainingPlan, where: Mapping[str, str] | None = None
) -> list[str]:
    """Lines that tell a person what will be done, one per finding at the end.

    Parameters
    ----------
    plan : TrainingPlan
        What will be done.
    where : mapping of str to str, optional
        For settings of the config, how they are changed in this face.
    """
    facts, (z, y, x) = plan.facts, plan.patch_size
    patch = f"{y} × {x}" if plan.is_2d else f"{z} × {y} × {x}"
    n_images = len(facts.names)
    lines = [
        f"data: {n_images} image{'s' * (n_images > 1)}, {facts.n_channels} channel"
        f"{'s' * (facts.n_channels > 1)}, "
        f"voxel size {format_voxel_size(facts.voxel_size)}",
        "classes: " + ", ".join(
            f"{_values(row)} {row.name} ({n})"
            for row, n in zip(facts.classes.classes, facts.class_voxels, strict=True)
        ),
        f"validation: {facts.split.reason}",
        f"normalization: {facts.normalization.words}",
        f"network: {network_words(plan.network)}, {plan.info.n_parameters:,} "
        "parameters",
        f"patches: {patch} voxels, {plan.batch_size} per iteration",
        f"solver: {plan.solver.kind}, learning rate "
        f"{plan.learning_rate:g} ({plan.config.training.schedule.kind}), weight decay "
        f"{plan.weight_decay:g}",
        f"length: {_length_text(plan)}",
        f"device: {plan.machine.name}, about {plan.memory_bytes / 1e9:.2f} GB of "
        f"{plan.machine.memory_bytes / 1e9:.1f} GB",
    ]  # fmt: skip
    return lines + [describe_finding(finding, where or {}) for finding in plan.findings]


def level_rows(plan: TrainingPlan) -> list[tuple[str, ...]]:
    """Levels of the network as rows of a table, the first with the titles."""
    titles = ("size", "channels", "kernels", "stride", "parameters")
    sizes = [size for row in plan.levels for size in (row.size, *row.kernels)]
    is_flat = all(size[0] == 1 for size in sizes)

    def text_of(size: ZYX) -> str:
        return _size_text(size, is_flat=is_flat).replace(" ", "")

    rows = [
        (
            text_of(level.size),
            str(level.channels),
            ", ".join(map(text_of, level.kernels)) or "1",
            text_of(level.stride),
            f"{level.n_parameters:,}",
        )
        for level in plan.levels
    ]
    return [titles, *rows]


def network_facts(plan: TrainingPlan) -> list[str]:
    """What holds for the network as a whole, a sentence each."""
    info = plan.info
    is_flat = plan.is_2d
    steps = _size_text(info.grid, is_flat=is_flat)
    field = _size_text(info.receptive_field, is_flat=is_flat)
    seen = f"Each voxel of the result depends on {field} voxels of the image."
    if not info.is_local:
        seen = "Each voxel of the result depends on all of its patch or tile."
    border = _size_text(info.prediction_margin, is_flat=is_flat)
    is_smaller = any(info.prediction_margin)
    return [
        f"{info.n_parameters:,} parameters.",
        seen,
        *[f"The result is smaller than a patch by {border} voxels on each side."]
        * is_smaller,
        f"Patches and tiles are multiples of {steps} voxels.",
    ]


def table_lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines of text whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _size_text(size: ZYX, *, is_flat: bool) -> str:
    return size_text(size[1:] if is_flat else size)


def describe_finding(finding: Finding, where: Mapping[str, str]) -> str:
    """One line for a finding: a mark when it is a warning, the remark, the remedy.

    Parameters
    ----------
    finding : Finding
        The remark.
    where : mapping of str to str
        As in `describe_plan`.
    """
    mark = "! " if finding.level == "warning" else ""
    place = where.get(finding.setting)
    remedy = finding.remedy
    if remedy and place:
        remedy = f"{remedy.removesuffix('.')} ({place})."
    return f"{mark}{finding.text} {remedy}".rstrip()


def _values(row: ClassInfo) -> str:
    return " and ".join(map(str, row.all_values))


def _length_text(plan: TrainingPlan) -> str:
    length = plan.config.training.length
    if length.kind == "iterations":
        return f"{length.iterations} iterations"
    if length.kind == "epochs":
        return f"{length.epochs} epochs of {plan.iterations_per_epoch} iterations"
    if length.kind == "time-budget":
        return f"{length.seconds:g} s"
    return f"until plateau, at most {plan.max_minutes:g} min"
