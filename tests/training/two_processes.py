"""What `test_distributed` lets torchrun start twice; prints a line per scenario."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.training.tasks import make_config, make_dataset

from napari_segtrain.control import Event, RunControl
from napari_segtrain.errors import DataError, ModelError, OtherProcessFailed
from napari_segtrain.training import learner, trainer
from napari_segtrain.training.checkpoint import Checkpoint
from napari_segtrain.training.distributed import Team, joined
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.run_folder import RunFolder, WatchedFolder
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_training_run

REAL_STEP = learner.train_step
LENGTH = {"kind": "iterations", "iterations": 6}


class Watched(Learner):
    """Keeps the weights that it ends with, and the patches that it saw."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        Watched.last = self
        self.patch_sums: list[float] = []

    def step(self, batch, rate):
        self.patch_sums.append(float(batch.images.sum()))
        return super().step(batch, rate)

    def sums(self) -> list[float]:
        states = (self.network_state, self.average_state)
        return [float(t.double().sum()) for state in states for t in state.values()]


def train(folder: Path, team: Team, *, control=None, **training) -> dict[str, object]:
    config = make_config(training={"length": LENGTH, **training})
    events: list[Event] = []
    work = iter_training_run(make_dataset(4), config, folder, control=control)
    result = run(work, events.append)
    last = Watched.last
    return {
        "iterations": result.iterations,
        "is_complete": result.is_complete,
        "score": result.score,
        "weights": last.sums(),
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
        epochs = {"iterations_per_epoch": 3, "keep_weights": "best"}
        said["plain"] = train(folder / "plain", team, **epochs)
        time_budget = {"kind": "time-budget", "seconds": 3}
        said["time"] = train(folder / "time", team, length=time_budget)
        control = RunControl()
        if team.rank == 1:
            control.stop()
        said["stop"] = train(folder / "stop", team, control=control)
        learner.train_step = greedy_in_second(team)
        said["memory"] = train(folder / "memory", team)
        learner.train_step = broken_in_second(team)
        try:
            train(folder / "error", team)
        except (DataError, OtherProcessFailed) as error:
            said["error"] = [type(error).__name__, str(error)]
    (folder / f"said-{team.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
