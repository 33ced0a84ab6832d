"""Intentions and facts meet: what will be trained, on what, and for how long.

`resolve` is pure: it reads no voxel and allocates no weights. The viewer shows the
plan, the command line prints it, the trainer runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_segtrain.axes import (
    ANISOTROPY_RATIO,
    ZYX,
    anisotropy,
    format_voxel_size,
)
from napari_segtrain.config import (
    AutoValidation,
    ExperimentConfig,
    NetworkConfig,
    PlateauLength,
)
from napari_segtrain.data.facts import DatasetFacts
from napari_segtrain.data.split import Region
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import (
    NetworkInfo,
    describe_network,
    estimate_training_bytes,
    fit_patch,
)
from napari_segtrain.training import defaults

Level = Literal["info", "warning"]

_2D: Literal[2] = 2
_3D: Literal[3] = 3
_FEW_VOXELS = 500


@dataclass(frozen=True)
class Machine:
    """What the run may use.

    Parameters
    ----------
    device : str
        torch's name: cpu, cuda or mps.
    name : str
        For people.
    memory_bytes : int
        Free memory of the device.
    """

    device: str
    name: str
    memory_bytes: int

    @property
    def is_cpu(self) -> bool:
        """Whether the network runs on the processor."""
        return self.device == "cpu"


@dataclass(frozen=True)
class Finding:
    """A remark about the plan, and what can be done about it."""

    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class TrainingPlan:
    """A run with nothing left to choose; can be written as JSON.

    Parameters
    ----------
    config : ExperimentConfig
        As the user gave it.
    facts : DatasetFacts
        What was measured.
    network : NetworkConfig
        Without ``auto``.
    info : NetworkInfo
        What the network asks of its input.
    patch_size : ZYX
        Voxels.
    batch_size : int
        Patches per iteration.
    learning_rate : float
        Peak.
    iterations_per_epoch : int, optional
        ``None`` when it is measured at the beginning of the run.
    validation : tuple of Region
        Boxes that are scored at the end of each epoch.
    machine : Machine
        Device.
    memory_bytes : int
        Estimate for an iteration.
    max_minutes : float
        Longest time of a run until plateau.
    findings : tuple of Finding
        Remarks and warnings with remedies.
    """

    config: ExperimentConfig
    facts: DatasetFacts
    network: NetworkConfig
    info: NetworkInfo
    patch_size: ZYX
    batch_size: int
    learning_rate: float
    iterations_per_epoch: int | None
    validation: tuple[Region, ...]
    machine: Machine
    memory_bytes: int
    max_minutes: float
    findings: tuple[Finding, ...]

    @property
    def is_2d(self) -> bool:
        """Whether slices, not volumes, are segmented."""
        return self.info.dims == _2D


def resolve(
    config: ExperimentConfig, facts: DatasetFacts, machine: Machine
) -> TrainingPlan:
    """Decide everything that the config leaves open.

    Parameters
    ----------
    config : ExperimentConfig
        Intentions.
    facts : DatasetFacts
        Measurements.
    machine : Machine
        Device and its memory.

    Raises
    ------
    ConfigError
        When a 3D network is asked for flat images, or sizes are not possible.
    """
    dims, why_dims = choose_dims(config, facts)
    network = defaults.complete_network(config.network, dims, is_cpu=machine.is_cpu)
    n_classes = facts.classes.n_classes
    info = describe_network(network, in_channels=facts.n_channels, n_classes=n_classes)
    patch = _patch_size(config, facts, info, machine)
    batch = _batch_size(config, patch, dims, machine)
    batch, memory = _fit_memory(network, patch, batch, facts, machine)
    return TrainingPlan(
        config=config,
        facts=facts,
        network=network,
        info=info,
        patch_size=patch,
        batch_size=batch,
        learning_rate=_learning_rate(config),
        iterations_per_epoch=_iterations_per_epoch(config),
        validation=defaults.validation_boxes(facts, dims, is_cpu=machine.is_cpu),
        machine=machine,
        memory_bytes=memory,
        max_minutes=_max_minutes(config, machine),
        findings=(
            Finding("info", why_dims),
            *_data_findings(config, facts),
            *_machine_findings(memory, machine),
        ),
    )


def choose_dims(
    config: ExperimentConfig, facts: DatasetFacts
) -> tuple[Literal[2, 3], str]:
    """Choose slices or volumes, and say why.

    Raises
    ------
    ConfigError
        When volumes are asked for and an image is flat.
    """
    depths = [shape[0] for shape in facts.shapes]
    if config.network.dims == _3D and min(depths) == 1:
        raise ConfigError(
            "A 3D network was asked for, but some images are flat (one slice); "
            "use --dims 2, or --stack when the files are slices of one volume."
        )
    if config.network.dims != "auto":
        return config.network.dims, f"{config.network.dims}D, as asked for"
    obstacle = _obstacle_to_3d(min(depths), max(depths), facts)
    if obstacle:
        return _2D, f"2D: {obstacle}"
    ratio = anisotropy(facts.voxel_size)
    if ratio is None:
        return _3D, "3D: a volume of unknown voxel size, taken as isotropic"
    return _3D, f"3D: voxels are {ratio:.1f} times longer in z"


def _obstacle_to_3d(shallowest: int, deepest: int, facts: DatasetFacts) -> str:
    """Why volumes should be segmented slice by slice; empty when they should not."""
    ratio = anisotropy(facts.voxel_size)
    share = facts.n_used_slices / facts.n_slices
    if deepest == 1:
        return "the images are flat"
    if shallowest < defaults.MIN_SLICES_3D:
        return f"a stack of {shallowest} slices is too thin for 3D"
    if ratio is not None and ratio > ANISOTROPY_RATIO:
        return f"voxels are {ratio:.1f} times longer in z"
    if share < defaults.MIN_USED_SHARE_3D:
        return f"{facts.n_used_slices} of {facts.n_slices} slices hold labels"
    return ""


def _patch_size(
    config: ExperimentConfig, facts: DatasetFacts, info: NetworkInfo, machine: Machine
) -> ZYX:
    wanted = config.sampling.patch_size
    if wanted == "auto":
        wanted = defaults.recipe(info.dims, is_cpu=machine.is_cpu).patch_size
    elif min(wanted) < 1:
        raise ConfigError(f"The patch size {wanted} must be positive in every axis.")
    z, y, x = (max(sizes) for sizes in zip(*facts.shapes, strict=True))
    return fit_patch(wanted, (z, y, x), info)


def _batch_size(
    config: ExperimentConfig, patch: ZYX, dims: int, machine: Machine
) -> int:
    wanted = config.sampling.batch_size
    if wanted != "auto":
        return wanted
    return defaults.batch_size(patch, dims, is_cpu=machine.is_cpu)


def _fit_memory(
    network: NetworkConfig,
    patch: ZYX,
    batch: int,
    facts: DatasetFacts,
    machine: Machine,
) -> tuple[int, int]:
    """Halve the batch until it fits into most of the free memory."""
    while True:
        memory = estimate_training_bytes(
            network,
            patch,
            batch,
            in_channels=facts.n_channels,
            n_classes=facts.classes.n_classes,
        )
        if batch == 1 or memory <= defaults.MEMORY_SHARE * machine.memory_bytes:
            return batch, memory
        batch //= 2


def _learning_rate(config: ExperimentConfig) -> float:
    rate = config.training.learning_rate
    return defaults.LEARNING_RATE if rate == "auto" else rate


def _iterations_per_epoch(config: ExperimentConfig) -> int | None:
    wanted = config.training.iterations_per_epoch
    if wanted != "auto":
        return wanted
    if config.training.length.kind == "iterations":
        return max(1, min(defaults.EPOCH, config.training.length.iterations // 5))
    return defaults.EPOCH if config.training.length.kind == "epochs" else None


def _max_minutes(config: ExperimentConfig, machine: Machine) -> float:
    length = config.training.length
    if isinstance(length, PlateauLength) and length.max_minutes != "auto":
        return length.max_minutes
    return defaults.MAX_MINUTES_CPU if machine.is_cpu else defaults.MAX_MINUTES_GPU


def _data_findings(config: ExperimentConfig, facts: DatasetFacts) -> list[Finding]:
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


def _machine_findings(memory: int, machine: Machine) -> list[Finding]:
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


def describe_plan(plan: TrainingPlan) -> list[str]:
    """Lines that tell a person what will be done."""
    facts, (z, y, x) = plan.facts, plan.patch_size
    patch = f"{y} × {x}" if plan.is_2d else f"{z} × {y} × {x}"
    n_images = len(facts.names)
    normalization = facts.normalization
    lines = [
        f"data: {n_images} image{'s' * (n_images > 1)}, {facts.n_channels} channel"
        f"{'s' * (facts.n_channels > 1)}, "
        f"voxel size {format_voxel_size(facts.voxel_size)}",
        "classes: " + ", ".join(
            f"{row.value} {row.name} ({n})"
            for row, n in zip(facts.classes.classes, facts.class_voxels, strict=True)
        ),
        f"validation: {facts.split.reason}",
        f"normalization: {normalization.method} per {normalization.scope}",
        f"network: {plan.network.name} {plan.info.dims}D, depth {plan.network.depth}, "
        f"{plan.network.first_filters} first filters, {plan.info.n_parameters:,} "
        "parameters",
        f"patches: {patch} voxels, {plan.batch_size} per iteration",
        f"length: {_length_text(plan)}",
        f"device: {plan.machine.name}, about {plan.memory_bytes / 1e9:.2f} GB of "
        f"{plan.machine.memory_bytes / 1e9:.1f} GB",
    ]  # fmt: skip
    for finding in plan.findings:
        mark = "! " if finding.level == "warning" else ""
        lines.append(f"{mark}{finding.text} {finding.remedy}".rstrip())
    return lines


def _length_text(plan: TrainingPlan) -> str:
    length = plan.config.training.length
    if length.kind == "iterations":
        return f"{length.iterations} iterations"
    if length.kind == "epochs":
        return f"{length.epochs} epochs of {plan.iterations_per_epoch} iterations"
    if length.kind == "time-budget":
        return f"{length.seconds:g} s"
    return f"until plateau, at most {plan.max_minutes:g} min"
