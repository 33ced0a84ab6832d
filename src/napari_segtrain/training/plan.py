"""Intentions and facts meet: what will be trained, on what, and for how long.

`resolve` is pure: it reads no voxel and allocates no weights. The viewer shows the
plan, the command line prints it, the trainer runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_segtrain.axes import ZYX
from napari_segtrain.config import (
    ExperimentConfig,
    FixedSolverConfig,
    NetworkConfig,
    PlateauLength,
)
from napari_segtrain.config.presets import Augmentation, plan_augmentation
from napari_segtrain.data.batches import n_batches_ahead
from napari_segtrain.data.facts import DatasetFacts
from napari_segtrain.data.object_recipe import ObjectRecipe, output_names, plan_objects
from napari_segtrain.data.split import Region
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import (
    LevelSummary,
    NetworkInfo,
    check_patch,
    check_slices,
    describe_levels,
    describe_network,
    estimate_training_bytes,
    fit_patch,
)
from napari_segtrain.training import defaults
from napari_segtrain.training.choice import choose_network, flat_words
from napari_segtrain.training.findings import (
    Finding,
    augmentation_findings,
    data_findings,
    fold_findings,
    loss_findings,
    memory_findings,
    object_findings,
)
from napari_segtrain.training.fine_tuning import Base, base_findings
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.schedule import check_schedule
from napari_segtrain.training.setting_findings import rate_findings, setting_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_2D: Literal[2] = 2


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
    solver : FixedSolverConfig
        How a step follows from the gradient.
    learning_rate : float
        Peak.
    weight_decay : float
        Of matrices; see `build_optimizer`.
    iterations_per_epoch : int, optional
        ``None`` when it is measured at the beginning of the run.
    validation : tuple of Region
        Boxes that are scored at the end of each epoch.
    machine : Machine
        Device.
    memory_bytes : int
        Estimate; see `estimate_training_bytes`.
    max_minutes : float
        Longest time of a run until plateau.
    findings : tuple of Finding
        Remarks and warnings with remedies.
    augmentation : Augmentation, optional
        Without ``auto``; absent in the plans of old runs.
    levels : tuple of LevelSummary
        Of the network, for a patch; empty in the plans of old runs.
    base : Base, optional
        The model that the training goes on from.
    frozen_share : float
        Of the training, from its start, in which the encoder does not learn.
    objects : ObjectRecipe, optional
        For labels that number objects; absent in the plans of old runs.
    """

    config: ExperimentConfig
    facts: DatasetFacts
    network: NetworkConfig
    info: NetworkInfo
    patch_size: ZYX
    batch_size: int
    solver: FixedSolverConfig
    learning_rate: float
    weight_decay: float
    iterations_per_epoch: int | None
    validation: tuple[Region, ...]
    machine: Machine
    memory_bytes: int
    max_minutes: float
    findings: tuple[Finding, ...]
    augmentation: Augmentation | None = None
    levels: tuple[LevelSummary, ...] = ()
    base: Base | None = None
    frozen_share: float = 0.0
    objects: ObjectRecipe | None = None

    @property
    def is_2d(self) -> bool:
        """Whether slices, not volumes, are segmented."""
        return self.info.dims == _2D


def resolve(
    config: ExperimentConfig,
    facts: DatasetFacts,
    machine: Machine,
    base: Base | None = None,
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
    base : Base, optional
        The model that the training goes on from.

    Raises
    ------
    ConfigError
        When a 3D network is asked for flat images, sizes are not possible, or class
        weights do not fit the classes.
    """
    machine = machine.limited(config.training.memory_limit)
    epoch = _iterations_per_epoch(config)
    check_schedule(config.training.schedule, config.training.length, epoch)
    _check_weights(config, facts)
    network, why = _complete_network(config, facts, machine)
    objects = plan_objects(config.objects, facts, is_2d=network.dims == _2D)
    names = output_names(facts.classes, objects)
    info = describe_network(network, in_channels=facts.n_channels, n_classes=len(names))
    check_slices(min(shape[0] for shape in facts.shapes), info)
    plan = _sized_plan(config, facts, machine, base, network, info)
    plan = replace(plan, objects=objects)
    return replace(plan, findings=tuple(_findings(plan, why, names)))


def _complete_network(
    config: ExperimentConfig, facts: DatasetFacts, machine: Machine
) -> tuple[NetworkConfig, str]:
    """Network without ``auto``, and why it was chosen."""
    network, why = choose_network(config.network, facts)
    network = defaults.complete_network(
        network, voxel_size=facts.voxel_size, is_cpu=machine.is_cpu
    )
    return network, why


def _sized_plan(
    config: ExperimentConfig,
    facts: DatasetFacts,
    machine: Machine,
    base: Base | None,
    network: NetworkConfig,
    info: NetworkInfo,
) -> TrainingPlan:
    """Plan with all sizes and rates, but without objects and remarks."""
    patch = _patch_size(config, facts, info, machine)
    solver = defaults.complete_solver(config.training)
    batch, memory = _batch_and_memory(config, network, patch, info, machine)
    return TrainingPlan(
        config=config,
        facts=facts,
        network=network,
        info=info,
        patch_size=patch,
        batch_size=batch,
        solver=solver,
        learning_rate=_learning_rate(config, base, solver),
        weight_decay=_weight_decay(config, solver),
        iterations_per_epoch=_iterations_per_epoch(config),
        validation=defaults.validation_boxes(facts, info.dims, is_cpu=machine.is_cpu),
        machine=machine,
        memory_bytes=memory,
        max_minutes=_max_minutes(config, machine),
        findings=(),
        augmentation=_augmentation(config, facts, is_2d=info.dims == _2D),
        levels=describe_levels(
            network, in_channels=facts.n_channels, n_classes=info.n_classes, patch=patch
        ),
        base=base,
        frozen_share=_frozen_share(config, base),
    )


def _findings(plan: TrainingPlan, why: str, names: Sequence[str]) -> Iterator[Finding]:
    """Remarks about a plan, beginning with why its network was chosen."""
    config, facts = plan.config, plan.facts
    text = why + flat_words(plan.network)
    yield Finding("info", text, setting="network.dims")
    yield from data_findings(config, facts)
    yield from augmentation_findings(config, facts)
    yield from object_findings(config, facts, plan.objects)
    yield from loss_findings(config, facts)
    yield from fold_findings(facts)
    yield from setting_findings(
        config, facts, plan.info, patch=plan.patch_size, batch=plan.batch_size
    )
    yield from rate_findings(config.training, plan.solver)
    yield from memory_findings(plan.memory_bytes, plan.machine)
    if plan.base is not None:
        yield from base_findings(plan.base, names)


def _patch_size(
    config: ExperimentConfig, facts: DatasetFacts, info: NetworkInfo, machine: Machine
) -> ZYX:
    wanted = config.sampling.patch_size
    if wanted == "auto":
        wanted = defaults.patch_size(info, is_cpu=machine.is_cpu)
    elif min(wanted) < 1:
        raise ConfigError(f"The patch size {wanted} must be positive in every axis.")
    else:
        check_patch(wanted, info)
    z, y, x = (max(sizes) for sizes in zip(*facts.shapes, strict=True))
    return fit_patch(wanted, (z, y, x), info)


def _batch_and_memory(
    config: ExperimentConfig,
    network: NetworkConfig,
    patch: ZYX,
    info: NetworkInfo,
    machine: Machine,
) -> tuple[int, int]:
    """Halve the batch until it fits into most of the free memory."""
    wanted = config.sampling.batch_size
    usual = defaults.batch_size(patch, info, is_cpu=machine.is_cpu)
    batch = usual if wanted == "auto" else wanted
    while True:
        memory = estimate_training_bytes(
            network,
            patch,
            batch,
            in_channels=info.in_channels,
            n_classes=info.n_classes,
            n_waiting=n_batches_ahead(config.sampling.loader_threads),
        )
        if batch == 1 or memory <= defaults.MEMORY_SHARE * machine.memory_bytes:
            return batch, memory
        batch //= 2


def _augmentation(
    config: ExperimentConfig, facts: DatasetFacts, *, is_2d: bool
) -> Augmentation:
    channels = facts.channel_names or ("",) * facts.n_channels
    return plan_augmentation(
        config.augmentation,
        channels=channels,
        is_2d=is_2d,
        usual=defaults.usual_preset(facts),
    )


def _learning_rate(
    config: ExperimentConfig, base: Base | None, solver: FixedSolverConfig
) -> float:
    rate = config.training.learning_rate
    if rate != "auto":
        return rate
    factor = 1.0 if base is None else defaults.FINE_TUNING_RATES[solver.kind]
    return factor * defaults.LEARNING_RATES[solver.kind]


def _weight_decay(config: ExperimentConfig, solver: FixedSolverConfig) -> float:
    decay = config.training.weight_decay
    return defaults.WEIGHT_DECAYS[solver.kind] if decay == "auto" else decay


def _frozen_share(config: ExperimentConfig, base: Base | None) -> float:
    share = config.training.frozen_encoder
    if base is not None:
        return defaults.FROZEN_SHARE if share == "auto" else share
    if share not in ("auto", 0):
        raise ConfigError(
            f"training.frozen_encoder is {share}, but there is no model to go on from: "
            "a new encoder has to learn; give one with --continue-from, or leave the "
            "setting at auto."
        )
    return 0.0


def _check_weights(config: ExperimentConfig, facts: DatasetFacts) -> None:
    if config.training.keep_weights == "best" and not facts.split.validation:
        raise ConfigError(
            f"Nothing is held out ({facts.split.reason}), so the best weights cannot "
            "be told; use training.keep_weights: last, or hold data out."
        )


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
