"""What `test_distributed` lets torchrun start twice; prints a line per scenario."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.control import Event, RunControl
from napari_segtrain.errors import DataError, ModelError, OtherProcessFailed
from napari_segtrain.training import learner, trainer
from napari_segtrain.training.checkpoint import Checkpoint
from napari_segtrain.training.distributed import Team, joined
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.run_folder import RunFolder, WatchedFolder
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run

REAL_STEP = learner.train_step
LENGTH = {"kind": "iterations", "iterations": 6}
EPOCHS = {"iterations_per_epoch": 3, "keep_weights": "best"}


class Watched(Learner):
    """Keeps the weights that it ends with, and the patches that it saw."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        Watched.last = self
        self.patch_sums: list[float] = []

    def step(self, batch, rate):
        self.patch_sums.append(float(batch.images.sum()))
        return super().step(batch, rate)

    def fingerprints(self) -> dict[str, str]:
        states = (self.network_state, self.average_state, self.optimizer_state)
        return {
            f"{number} {name}": fingerprint(tensor)
            for number, state in enumerate(states)
            for name, tensor in state.items()
        }


def fingerprint(tensor: torch.Tensor) -> str:
    """Of its numbers, bit by bit."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def train(folder: Path, **training) -> dict[str, object]:
    control, base = training.pop("control", None), training.pop("base", None)
    config = make_config(training={"length": LENGTH, **training})
    work = iter_training_run(
        make_dataset(4), config, folder, control=control, continue_from=base
    )
    return outcome(work)


def outcome(work) -> dict[str, object]:
    """What came of a run, as this process sees it."""
    events: list[Event] = []
    result = run(work, events.append)
    last = Watched.last
    return {
        "iterations": result.iterations,
        "is_complete": result.is_complete,
        "score": result.score,
        "weights": last.fingerprints(),
        "patches": last.patch_sums,
        "batch_size": last.source.batch_size,
        "n_events": len(events),
    }


def not_there_yet(self: RunFolder, name: str) -> Checkpoint:
    """What a process finds that reads before the first one has written."""
    raise ModelError(f"The run {self.path} has no checkpoint '{name}'.")


def greedy_in_second(team: Team):
    def step(network, loss, optimizer, images, targets, **rest):
        if team.rank == 1 and len(images) > 2:
            raise MemoryError
        return REAL_STEP(network, loss, optimizer, images, targets, **rest)

    return step


def stopping_in_second(team: Team, control: RunControl):
    n_steps = 0

    def step(*args, **rest):
        nonlocal n_steps
        n_steps += 1
        if team.rank == 1 and n_steps == 4:
            control.stop()
        return REAL_STEP(*args, **rest)

    return step


def not_a_number_in_second(team: Team):
    n_steps = 0

    def step(network, loss, optimizer, images, targets, **rest):
        nonlocal n_steps
        n_steps += 1
        if team.rank == 1 and n_steps == 5:
            images = images * float("nan")
        return REAL_STEP(network, loss, optimizer, images, targets, **rest)

    return step


def broken_in_second(team: Team):
    def step(*args, **rest):
        if team.rank == 1:
            raise DataError("The image moon.tif cannot be read; check the disk.")
        return REAL_STEP(*args, **rest)

    return step


def main(folder: Path) -> None:
    trainer.Learner = Watched  # type: ignore[misc]
    WatchedFolder.load = not_there_yet  # type: ignore[method-assign]
    said: dict[str, object] = {}
    with joined() as team:
        said["plain"] = train(folder / "plain", **EPOCHS)
        time_budget = {"kind": "time-budget", "seconds": 3}
        said["time"] = train(folder / "time", length=time_budget)
        control = RunControl()
        learner.train_step = stopping_in_second(team, control)
        said["stop"] = train(folder / "stop", control=control, **EPOCHS)
        said["resumed"] = outcome(iter_resumed_run(folder / "stop"))
        base = load_model(folder / "plain")
        said["on"] = train(folder / "on", base=base, frozen_encoder=0.5)
        learner.train_step = not_a_number_in_second(team)
        said["diverged"] = train(folder / "diverged", **EPOCHS)
        learner.train_step = greedy_in_second(team)
        said["memory"] = train(folder / "memory")
        learner.train_step = broken_in_second(team)
        try:
            train(folder / "error")
        except (DataError, OtherProcessFailed) as error:
            said["error"] = [type(error).__name__, str(error)]
    (folder / f"said-{team.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
