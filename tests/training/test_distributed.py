"""One process is a team by itself; two processes train one network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.tasks import disks
from torch import nn

import napari_segtrain
from napari_segtrain import load_model, predict
from napari_segtrain.training.distributed import Team, current_team, joined

ROOT = Path(__file__).parents[2]


def test_one_process_is_a_team_by_itself() -> None:
    with joined() as team:
        assert type(team) is Team
        assert type(current_team()) is Team
        assert (team.rank, team.size, team.is_first) == (0, 1, True)
        assert team.made_by_first(lambda: "a plan") == "a plan"
        assert team.any(is_so=True)
        assert not team.any(is_so=False)
        assert team.mean(0.5) == 0.5
        network = nn.Linear(2, 1)
        network(torch.ones(1, 2)).sum().backward()
        team.average_gradients(network)
        assert torch.equal(network.weight.grad, torch.ones(1, 2))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    first, second = launch(tmp_path)
    for name in ("plain", "time", "stop", "resumed", "on", "diverged", "memory"):
        for what in ("iterations", "is_complete", "batch_size"):
            assert first[name][what] == second[name][what], (name, what)
        a, b = first[name]["weights"], second[name]["weights"]
        assert a.keys() == b.keys()
        different = {key for key, value in a.items() if b[key] != value}
        if name == "stop":  # between two validations each has statistics of its own
            different = {key for key in different if "running_" not in key}
        assert not different, name
        assert first[name]["n_events"] > 0
        assert second[name]["n_events"] == 0
    assert set(first["plain"]["patches"]).isdisjoint(second["plain"]["patches"])
    assert first["plain"]["score"] == second["plain"]["score"] is not None
    assert first["plain"]["iterations"] == 6
    assert first["time"]["iterations"] > 1
    assert first["time"]["is_complete"]
    assert not first["stop"]["is_complete"]
    assert 0 < first["stop"]["iterations"] < 6
    for what in ("weights", "iterations", "score"):
        assert first["resumed"][what] == first["plain"][what], what
    assert first["on"]["is_complete"]
    notices = (tmp_path / "diverged/notices.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in notices] == ["diverged"]
    assert first["diverged"]["iterations"] == 6
    assert first["memory"]["batch_size"] == 2
    sentence = "The image moon.tif cannot be read; check the disk."
    assert second["error"] == ["DataError", sentence]
    assert first["error"] == ["OtherProcessFailed", f"Process 1 of 2: {sentence}"]
    metrics = (tmp_path / "plain/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in metrics] == [3, 6]
    model = load_model(tmp_path / "plain/model")
    image, _ = disks((96, 96), 9)
    assert predict(model, image).labels.array.shape == (96, 96)


def launch(folder: Path) -> list[dict[str, Any]]:
    """Run `two_processes` by torchrun; return what each process said."""
    source = Path(napari_segtrain.__file__).parents[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "tests.training.two_processes", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (source, ROOT)))},
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"said-{n}.json").read_text()) for n in (0, 1)]
