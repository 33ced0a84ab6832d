"""What learns: network, optimizer and running mean, with their data and their judge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch

from napari_segtrain.data.split import Region
from napari_segtrain.models import first_member
from napari_segtrain.networks import (
    SupervisedNetwork,
    build_network,
    in_layout,
    supervised,
)
from napari_segtrain.networks.recompute import find_stages, recompute_stages
from napari_segtrain.networks.transplant import transplant
from napari_segtrain.training.checkpoint import optimizer_tensors, restore_optimizer
from napari_segtrain.training.distributed import Team
from napari_segtrain.training.ema import WeightAverage
from napari_segtrain.training.freezing import frozen_encoder
from napari_segtrain.training.held_out import HeldOutPredictor
from napari_segtrain.training.losses import DeepLoss, build_loss
from napari_segtrain.training.memory import give_back
from napari_segtrain.training.model_scores import ModelJudge
from napari_segtrain.training.optim import (
    build_optimizer,
    drop_unfinished,
    memory_layout,
)
from napari_segtrain.training.patches import (
    batch_source,
    class_targets,
    patch_sampler,
    patch_targets,
    prepared_pairs,
)
from napari_segtrain.training.previews import MAX_PATCHES, PatchKeeper
from napari_segtrain.training.steps import (
    Precision,
    StepRules,
    Validation,
    Validator,
    seeded_torch,
    train_step,
)
from napari_segtrain.training.tile_calibrator import TileCalibrator
from napari_segtrain.training.tuning import DecisionTuner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from napari_segtrain.data.batches import Batch
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.data.sampling import Patch, PatchSampler
    from napari_segtrain.models import Model
    from napari_segtrain.training.checkpoint import Checkpoint
    from napari_segtrain.training.fine_tuning import Base
    from napari_segtrain.training.footprint import Footprint
    from napari_segtrain.training.losses import SegmentationLoss
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.previews import PreviewPatch

N_RECALIBRATION = 12
"""Batches from which the statistics of batch norms are measured."""


class Learner:
    """Everything of a run that has to do with tensors.

    Parameters
    ----------
    plan : TrainingPlan
        What to build.
    dataset : Dataset
        The frozen data of the run.
    team : Team, optional
        Processes that learn together.
    """

    def __init__(
        self, plan: TrainingPlan, dataset: Dataset, team: Team | None = None
    ) -> None:
        self._plan = plan
        self._team = team or Team()
        self._training = plan.config.training
        self._device = torch.device(plan.machine.device)
        self._layout = memory_layout(self._device, is_2d=plan.is_2d)
        if self._training.n_threads != "auto":
            torch.set_num_threads(self._training.n_threads)
        pairs, intensities = prepared_pairs(plan, dataset)
        sampler = patch_sampler(plan, pairs)
        self.source = batch_source(plan, pairs, sampler, intensities)
        targets = class_targets(plan, pairs)
        held_out = HeldOutPredictor(plan, pairs, targets, intensities)
        self.tuner = DecisionTuner(plan, held_out)
        self.calibrator = TileCalibrator(plan, pairs, intensities)
        self.model_judge = ModelJudge(plan, dataset.pairs(), targets)
        self._validator = Validator(
            plan.validation or _training_boxes(plan, sampler),
            pairs,
            patch_targets(plan, pairs),
            intensities,
            info=plan.info,
            is_2d=plan.is_2d,
        )
        is_held_out = bool(plan.validation)
        self._keeper = PatchKeeper(plan.facts.names, is_held_out=is_held_out)
        self._loss = build_loss(plan)
        self._precision = self._new_precision()
        self._network = self._build()
        self._trained = self._supervised()
        self._optimizer = self._new_optimizer()
        self._average = WeightAverage(self._network, self._training.ema_decay)
        self._encoder = frozen_encoder(self._network, plan)

    def _build(self) -> nn.Module:
        network = build_network(
            self._plan.network,
            in_channels=self._plan.facts.n_channels,
            n_classes=self._plan.info.n_classes,
            seed=self._training.seed,
        )
        return in_layout(network.to(self._device), self._layout)

    def _supervised(self) -> nn.Module:
        """What is trained: the network, with heads at coarser levels if asked for."""
        with seeded_torch(self._training.seed, 0):
            trained = supervised(
                self._network,
                self._plan.network,
                n_classes=self._plan.info.n_classes,
            )
        return in_layout(trained.to(self._device), self._layout)

    @property
    def _training_loss(self) -> SegmentationLoss | DeepLoss:
        is_deep = isinstance(self._trained, SupervisedNetwork)
        return DeepLoss(self._loss) if is_deep else self._loss

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return build_optimizer(
            self._trained,
            self._plan.solver,
            self._plan.learning_rate,
            self._plan.weight_decay,
        )

    def _new_precision(self, scale: float | None = None) -> Precision:
        return Precision(self._device, is_mixed=self._training.amp, scale=scale)

    def start_from(self, model: Model, base: Base) -> None:
        """Take the weights of a model as the first ones, as far as they fit."""
        graft = base.graft(self._plan.network)
        weights = first_member(model.spec, model.network.state_dict())
        own = self._network.state_dict()
        self._network.load_state_dict(transplant(graft, weights, own))
        self._average.load(self._network.state_dict())

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to exactly where a checkpoint was."""
        self._trained.load_state_dict(checkpoint.network)
        restore_optimizer(self._optimizer, checkpoint.optimizer)
        self._average.load(checkpoint.average)
        self.adapt(checkpoint.progress.footprint)
        if checkpoint.progress.scaler_scale:
            self._precision = self._new_precision(checkpoint.progress.scaler_scale)

    def adapt(self, footprint: Footprint) -> None:
        """Compute so much at once from the next step on."""
        self._optimizer.zero_grad(set_to_none=True)
        drop_unfinished(self._optimizer)
        self.source.batch_size = footprint.batch_size
        self.source.patch_size = footprint.patch_size
        if footprint.recomputes:
            recompute_stages(self._network)
        if footprint.leaves_gpu and self._device.type != "cpu":
            self._move(torch.device("cpu"))
        self._precision = self._new_precision(self.scaler_scale)
        give_back(torch.device(self._plan.machine.device))

    @property
    def n_stages(self) -> int:
        """Parts of the network whose inside may be computed twice."""
        return len(find_stages(self._network))

    def _move(self, device: torch.device) -> None:
        """Compute on another device from now on."""
        moments = optimizer_tensors(self._optimizer)
        self._device = device
        in_layout(self._trained.to(device), self._layout)
        self._loss = self._loss.to(device)
        if self._encoder is not None:  # the solver has its weights, frozen or not
            self._encoder.set(is_frozen=False)
        self._optimizer = self._new_optimizer()
        restore_optimizer(self._optimizer, moments)
        self._average.move(device)
        self.tuner.move(device)
        self.calibrator.move(device)
        self.model_judge.move(device)

    def freeze(self, share_done: float) -> None:
        """Hold the encoder as long as the plan says; it learns ever after."""
        share = self._plan.frozen_share
        if self._encoder is not None:
            self._encoder.set(is_frozen=share == 1 or share_done < share)

    def step(self, batch: Batch, rate: float) -> float:
        """Make one optimizer step with a learning rate; return the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = self.source.augment(batch, self._device)
        with seeded_torch(self._training.seed, batch.iteration):  # of dropout
            return train_step(
                self._trained,
                self._training_loss,
                self._optimizer,
                batch.images.contiguous(memory_format=self._layout),
                batch.targets,
                rules=StepRules(
                    self._precision, self._training.gradient_clip, self._team
                ),
            )

    def accept(self, iteration: int) -> None:
        """Let the weights count in the running mean."""
        self._average.update(self._network, iteration)

    @property
    def n_judged_voxels(self) -> int:
        """Voxels that pass the network at the end of an epoch."""
        patch = math.prod(self.source.patch_size)
        n_patches = N_RECALIBRATION * self.source.batch_size
        return self._validator.n_voxels + n_patches * patch

    def judge(self) -> Validation | None:
        """Validate the running mean; ``None`` when nothing is held out.

        The statistics of its batch norms are measured anew first. When nothing is held
        out, a few training patches are predicted, for `previews`. In a team, the first
        process does so for all.
        """
        validation = self._team.made_by_first(self._judge)
        states = (self.network_state, self.average_state)
        self._team.spread(tensor for state in states for tensor in state.values())
        return validation

    def _judge(self) -> Validation | None:
        self._average.recalibrate(self._network, self._recalibration_images())
        validation = self._validator.run(
            self._network, self._average.state, self._loss, self._keeper
        )
        return validation if self._plan.validation else None

    def previews(self) -> tuple[PreviewPatch, ...]:
        """Patches as `judge` has seen them."""
        return self._keeper.take()

    def _recalibration_images(self) -> Iterator[torch.Tensor]:
        for number in range(N_RECALIBRATION):
            images = self.source.make(number).plain().to(self._device)
            yield images.contiguous(memory_format=self._layout)

    @property
    def is_finite(self) -> bool:
        """Whether the weights and their running mean are numbers only."""
        weights = self._trained.parameters()
        is_finite = all(bool(weight.isfinite().all()) for weight in weights)
        return is_finite and self._average.is_finite()

    @property
    def network_state(self) -> dict[str, torch.Tensor]:
        """State dict of the network, and of heads at coarser levels."""
        return dict(self._trained.state_dict())

    @property
    def average_state(self) -> dict[str, torch.Tensor]:
        """State dict of the running mean."""
        return self._average.state

    @property
    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """Moments of the optimizer."""
        return optimizer_tensors(self._optimizer)

    @property
    def scaler_scale(self) -> float | None:
        """Loss scale of fp16 training."""
        scaler = self._precision.scaler
        return float(scaler.get_scale()) if scaler.is_enabled() else None

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the process, or the peak of the GPU."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        return int(psutil.Process().memory_info().rss)


def _training_boxes(plan: TrainingPlan, sampler: PatchSampler) -> list[Region]:
    """At most a batch of training patches, to be shown when nothing is held out."""
    rng = np.random.default_rng([plan.config.training.seed, 3])
    n_boxes = min(MAX_PATCHES, plan.batch_size)
    patches = [sampler.draw(rng) for _ in range(n_boxes)]
    return [_region(patch) for patch in patches]


def _region(patch: Patch) -> Region:
    z, y, x = patch.box
    return Region(patch.pair, (z.start, y.start, x.start), (z.stop, y.stop, x.stop))
