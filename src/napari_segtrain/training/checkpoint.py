"""Everything needed to go on exactly where a run stopped, as one safetensors file.

Tensors are the network, its running mean (``model.``) and the optimizer's moments; the
header holds the rest as JSON, the description of the model included, so that every
checkpoint is a loadable model as well. Batches need no state: each follows from the
seed and its iteration.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_segtrain.errors import ModelError
from napari_segtrain.io.atomic import write_bytes
from napari_segtrain.models import Model, ModelSpec, assemble, dump_spec, parse_spec
from napari_segtrain.training.footprint import Footprint
from napari_segtrain.training.schedule import Anneal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_segtrain.axes import ZYX

FORMAT_VERSION = 1
_NO_FOOTPRINT = Footprint(0, (0, 0, 0))


@dataclass(frozen=True)
class Progress:
    """Where a run is; everything but tensors.

    Parameters
    ----------
    iteration, epoch : int
        Done.
    seconds : float
        Used, in all parts of the run.
    footprint : Footprint
        How much is computed at once, after what memory did not suffice for.
    iterations_per_epoch : int
        As planned or measured.
    best_score : float, optional
        Best validation score so far.
    best_epoch : int
        Its epoch; 0 before the first.
    best_loss, latest_loss : float, optional
        Validation loss of that epoch, and of the last one.
    plateau_score : float, optional
        Score that the next ones are to exceed clearly.
    epochs_without_gain : int
        Epochs since that was last so.
    n_drops : int
        How often the rate was lowered since the score had stopped rising.
    epoch_loss_sum, epoch_iterations
        Of the epoch that is under way.
    anneal : Anneal, optional
        The last part, once it has begun.
    is_complete : bool
        Whether the run came to its end.
    scaler_scale : float, optional
        Loss scale of fp16 training.
    rate_scale : float
        Factor of the learning rate, lowered when numbers were not finite.
    n_recoveries : int
        How often that was so since the last validation.
    changes : tuple of str
        Sentences about what had to be changed while the run went on.
    """

    footprint: Footprint = _NO_FOOTPRINT
    iteration: int = 0
    epoch: int = 0
    seconds: float = 0.0
    iterations_per_epoch: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    best_loss: float | None = None
    latest_loss: float | None = None
    plateau_score: float | None = None
    epochs_without_gain: int = 0
    n_drops: int = 0
    epoch_loss_sum: float = 0.0
    epoch_iterations: int = 0
    anneal: Anneal | None = None
    is_complete: bool = False
    scaler_scale: float | None = None
    rate_scale: float = 1.0
    n_recoveries: int = 0
    changes: tuple[str, ...] = ()

    @property
    def mean_epoch_loss(self) -> float:
        """Mean training loss of the epoch that is under way."""
        return self.epoch_loss_sum / max(1, self.epoch_iterations)

    def after_step(self, loss: float) -> Progress:
        """Count an iteration; a loss that is no finite number counts as the mean."""
        counted = loss if math.isfinite(loss) else self.mean_epoch_loss
        return replace(
            self,
            iteration=self.iteration + 1,
            epoch_iterations=self.epoch_iterations + 1,
            epoch_loss_sum=self.epoch_loss_sum + counted,
        )

    def after_epoch(
        self, score: float | None, *, min_gain: float, loss: float | None = None
    ) -> Progress:
        """Count an epoch.

        Parameters
        ----------
        score : float, optional
            Its validation score; without one the training loss tells of a plateau.
        min_gain : float
            By how much a score must exceed the former ones to count as a gain.
        loss : float, optional
            Its validation loss.
        """
        is_best = score is not None and (
            self.best_score is None or score > self.best_score
        )
        merit = score if score is not None else -self.mean_epoch_loss
        has_gain = self.plateau_score is None or merit > self.plateau_score + min_gain
        epoch = self.epoch + 1
        return replace(
            self,
            epoch=epoch,
            best_score=score if is_best else self.best_score,
            best_epoch=epoch if is_best else self.best_epoch,
            best_loss=loss if is_best else self.best_loss,
            latest_loss=loss,
            plateau_score=merit if has_gain else self.plateau_score,
            epochs_without_gain=0 if has_gain else self.epochs_without_gain + 1,
            epoch_loss_sum=0.0,
            epoch_iterations=0,
            n_recoveries=0,
        )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory.

    Parameters
    ----------
    progress : Progress
        Where the run was.
    network, average : dict of str to Tensor
        State dicts of the network and of its running mean.
    optimizer : dict of str to Tensor
        Moments, named ``<parameter index>.<name>``.
    spec : ModelSpec
        The model that the running mean is.
    """

    progress: Progress
    network: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    spec: ModelSpec

    @property
    def model(self) -> Model:
        """The running mean as a model."""
        return assemble(self.spec, self.average, source="the checkpoint")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file is replaced as a whole or not at all.

    Raises
    ------
    OutputError
        When the disk is full.
    """
    tensors = {
        f"{prefix}.{name}": tensor.detach().cpu().contiguous()
        for prefix, state in (
            ("network", checkpoint.network),
            ("model", checkpoint.average),
            ("optimizer", checkpoint.optimizer),
        )
        for name, tensor in state.items()
    }
    header = {
        "format_version": str(FORMAT_VERSION),
        "progress": json.dumps(asdict(checkpoint.progress)),
        "model": dump_spec(checkpoint.spec),
    }
    write_bytes(path, save(tensors, metadata=header))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises
    ------
    ModelError
        When it is missing, damaged or of a newer format.
    """
    with _opened(path) as (file, header):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    spec = parse_spec(header["model"], source=str(path))
    return Checkpoint(
        progress=_progress(header["progress"], spec.patch_size),
        network=_with_prefix(tensors, "network."),
        average=_with_prefix(tensors, "model."),
        optimizer=_with_prefix(tensors, "optimizer."),
        spec=spec,
    )


def load_progress(path: Path) -> Progress:
    """Read where the run of a checkpoint was, without its tensors.

    Raises
    ------
    ModelError
        When it is missing, damaged or of a newer format.
    """
    with _opened(path) as (_, header):
        spec = parse_spec(header["model"], source=str(path))
    return _progress(header["progress"], spec.patch_size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """Open a checkpoint; give its file and its header."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            _check_version(header.get("format_version", ""), path)
            yield file, header
    except FileNotFoundError as error:
        raise ModelError(f"There is no checkpoint {path}.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"The checkpoint {path} is damaged: {error}.") from error


def _check_version(version: str, path: Path) -> None:
    if not version.isdigit() or int(version) > FORMAT_VERSION:
        raise ModelError(
            f"The checkpoint {path} has format version {version or 'unknown'}, but "
            f"this release reads up to {FORMAT_VERSION}; update napari-segtrain."
        )


def _progress(text: str, patch_size: ZYX) -> Progress:
    """Read a progress; one of an older release held the batch size only."""
    values: dict[str, Any] = json.loads(text)
    anneal = values.pop("anneal")
    old = {"batch_size": values.pop("batch_size", 1), "patch_size": patch_size}
    footprint = {**old, **values.pop("footprint", {})}
    footprint["patch_size"] = tuple(footprint["patch_size"])
    changes = tuple(values.pop("changes", ()))
    progress = Progress(Footprint(**footprint), **values, changes=changes)
    return replace(progress, anneal=Anneal(**anneal)) if anneal else progress


def _with_prefix(
    tensors: Mapping[str, torch.Tensor], prefix: str
) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Moments and step counts of an optimizer, by parameter index and name."""
    states = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value.clone()
        for index, state in states.items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put moments and step counts back.

    Moments take the memory layout of their parameter, as fused optimizers need.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        like = parameters[int(index)].detach()
        is_moment = value.shape == like.shape
        laid_out = torch.empty_like(like).copy_(value) if is_moment else value
        states.setdefault(int(index), {})[name] = laid_out
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})
