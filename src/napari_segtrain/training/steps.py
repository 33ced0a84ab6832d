"""One optimizer step, and one validation."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_segtrain.data.object_targets import ObjectTargetItem
from napari_segtrain.evaluation.instance import ObjectScores
from napari_segtrain.evaluation.semantic import ConfusionMatrix, SemanticScores
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.networks import round_up_to_grid
from napari_segtrain.training.distributed import Team
from napari_segtrain.training.object_scores import ObjectJudge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.data.split import Region
    from napari_segtrain.data.targets import TargetItem
    from napari_segtrain.networks import NetworkInfo
    from napari_segtrain.training.losses import DeepLoss, SegmentationLoss
    from napari_segtrain.training.previews import PatchKeeper


_FIRST_SCALE = 2.0**16


class Precision:
    """Mixed precision on CUDA (bfloat16 where the GPU has it), float32 elsewhere.

    Parameters
    ----------
    device : torch.device
        Where the network computes.
    is_mixed : bool
        Whether mixed precision is wanted.
    scale : float, optional
        First loss scale of fp16; torch's own without it.
    """

    def __init__(
        self, device: torch.device, *, is_mixed: bool, scale: float | None = None
    ) -> None:
        self._device = device
        self._dtype: torch.dtype | None = None
        if is_mixed and device.type == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported()
            self._dtype = torch.bfloat16 if has_bf16 else torch.float16
        is_fp16 = self._dtype is torch.float16
        self.scaler = torch.amp.GradScaler(
            device.type, init_scale=scale or _FIRST_SCALE, enabled=is_fp16
        )

    def autocast(self) -> AbstractContextManager[Any]:
        """Context for a forward pass."""
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device.type, self._dtype)


@dataclass(frozen=True)
class StepRules:
    """How a step follows from a loss.

    Parameters
    ----------
    precision : Precision
        Number format.
    gradient_clip : float
        Greatest norm of the gradient.
    team : Team
        Processes over which gradient and loss are averaged.
    """

    precision: Precision
    gradient_clip: float
    team: Team


def train_step(
    network: nn.Module,
    loss_function: SegmentationLoss | DeepLoss,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    rules: StepRules,
) -> float:
    """Make one optimizer step and return its loss.

    A step whose loss or gradient is not finite changes nothing.

    Parameters
    ----------
    network, loss_function, optimizer
        What is trained, by what, how.
    images : Tensor, shape (N, C, [Z], Y, X)
        Normalized patches.
    targets : Tensor of uint8, shape (N, [Z], Y, X)
        Class indices; they may reach farther than the logits.
    rules : StepRules
        How the step follows from the loss.
    """
    precision = rules.precision
    with precision.autocast():
        logits = network(images)
    loss = loss_function(logits, targets)
    optimizer.zero_grad(set_to_none=True)
    precision.scaler.scale(loss).backward()
    rules.team.average_gradients(network)
    precision.scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(network.parameters(), rules.gradient_clip)
    if precision.scaler.is_enabled() or bool(torch.isfinite(norm)):
        precision.scaler.step(optimizer)
    precision.scaler.update()
    return rules.team.mean(float(loss.detach()))


@dataclass(frozen=True)
class Validation:
    """Loss and scores on the validation boxes; of objects where they are learned."""

    loss: float
    scores: SemanticScores
    objects: ObjectScores | None = None

    @property
    def score(self) -> float:
        """Mean IoU of the classes that are not background; 0 when none occurs."""
        return self.scores.overall.iou or 0.0

    def named_scores(self) -> dict[str, float | None]:
        """IoU and Dice, overall and per class, by the names that people see."""
        overall, classes = self.scores.overall, self.scores.classes
        named = {"IoU": overall.iou, "Dice": overall.dice}
        if self.objects is not None:
            named["object F1"] = self.objects.f1
        named |= {f"IoU {row.name}": row.iou for row in classes}
        return named | {f"Dice {row.name}": row.dice for row in classes}


class Validator:
    """Scores weights on the held-out boxes.

    A box is read by itself: the network sees no voxel outside its region.

    Parameters
    ----------
    boxes : sequence of Region
        What is scored.
    pairs, targets, intensities
        Items, their class indices and normalization.
    info : NetworkInfo
        Grid and smallest size of the network.
    is_2d : bool
        Whether each slice is an image by itself.
    """

    def __init__(
        self,
        boxes: Sequence[Region],
        pairs: Sequence[Pair],
        targets: Sequence[TargetItem],
        intensities: Sequence[Intensities],
        *,
        info: NetworkInfo,
        is_2d: bool,
    ) -> None:
        self._boxes = boxes
        self._pairs = pairs
        self._targets = targets
        self._intensities = intensities
        self._info = info
        self._is_2d = is_2d

    @property
    def n_voxels(self) -> int:
        """Voxels of all boxes."""
        return sum(box.n_voxels for box in self._boxes)

    def run(
        self,
        network: nn.Module,
        weights: Mapping[str, torch.Tensor],
        loss_function: SegmentationLoss,
        keeper: PatchKeeper,
    ) -> Validation:
        """Predict every box with ``weights`` and compare it with its ground truth.

        Parameters
        ----------
        network : nn.Module
            Gives the architecture.
        weights : mapping of str to Tensor
            State dict that is validated.
        loss_function : SegmentationLoss
            The loss of the training.
        keeper : PatchKeeper
            Is shown each box.
        """
        classes = self._targets[0].classes
        matrix = ConfusionMatrix(classes.n_classes)
        judge = self._object_judge()
        losses = []
        with evaluated(network), torch.inference_mode():
            for box in self._boxes:
                target = self._targets[box.pair].read(box.box)
                if (target == IGNORE_INDEX).all():
                    continue
                block = self._pairs[box.pair].image.read(box.box)
                logits = self._logits(network, weights, box, block)
                truth = torch.from_numpy(target).to(logits.device)
                losses.append(float(loss_function(logits, self._like(truth))))
                if judge is None:
                    indices = self._indices(logits)
                else:
                    indices = judge.add(box, self._probabilities(logits))
                    target = judge.recipe.to_classes(target)
                matrix.add(target, indices)
                keeper.add(box, block, target, indices)
        loss = float(np.mean(losses)) if losses else 0.0
        objects = judge.scores() if judge else None
        return Validation(loss, matrix.scores(classes), objects)

    def _object_judge(self) -> ObjectJudge | None:
        targets = [t for t in self._targets if isinstance(t, ObjectTargetItem)]
        return ObjectJudge(targets) if targets else None

    def _logits(
        self,
        network: nn.Module,
        weights: Mapping[str, torch.Tensor],
        box: Region,
        block: npt.NDArray[Any],
    ) -> torch.Tensor:
        image = self._intensities[box.pair].apply(block, box.box)
        info = self._info
        z, y, x = map(max, box.shape, info.min_result)
        padded = round_up_to_grid((z, y, x), info.grid)
        widths = zip(padded, box.shape, info.prediction_margin, strict=True)
        pads = [(m, n - size + m) for n, size, m in widths]
        image = np.pad(image, [(0, 0), *pads], mode="symmetric")
        batch = self._as_batch(image).to(next(iter(weights.values())).device)
        logits: torch.Tensor = torch.func.functional_call(network, dict(weights), batch)
        for axis, n in enumerate(self._space(box.shape), start=2):
            logits = logits.narrow(axis, 0, n)
        return logits

    def _space(self, shape: ZYX) -> tuple[int, ...]:
        return shape[1:] if self._is_2d else shape

    def _as_batch(self, image: npt.NDArray[np.float32]) -> torch.Tensor:
        """(C, Z, Y, X) as slices (Z, C, Y, X) in 2D, as one volume otherwise."""
        tensor = torch.from_numpy(image)
        return tensor.transpose(0, 1) if self._is_2d else tensor.unsqueeze(0)

    def _like(self, target: torch.Tensor) -> torch.Tensor:
        return target if self._is_2d else target.unsqueeze(0)

    def _indices(self, logits: torch.Tensor) -> npt.NDArray[np.uint8]:
        indices = logits.argmax(1).to(torch.uint8).cpu().numpy()
        return indices if self._is_2d else indices[0]

    def _probabilities(self, logits: torch.Tensor) -> npt.NDArray[np.float32]:
        """Probabilities (K, Z, Y, X) of logits (N, K, [Z], Y, X)."""
        probabilities = logits.float().softmax(1)
        volume = probabilities.transpose(0, 1) if self._is_2d else probabilities[0]
        found: npt.NDArray[np.float32] = volume.cpu().numpy()
        return found


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Let a network predict, and go back to training whatever happens."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@contextmanager
def seeded_torch(seed: int, iteration: int) -> Iterator[None]:
    """Fix torch's generators for one step, and leave them as they were afterwards."""
    is_on_gpu = torch.cuda.is_initialized()
    with torch.random.fork_rng([torch.cuda.current_device()] if is_on_gpu else []):
        torch.manual_seed(seed * 1_000_003 + iteration)
        yield
