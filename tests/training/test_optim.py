from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.running import Recorder, assert_same_run, train
from tests.training.tasks import make_config, make_dataset
from torch import nn

from napari_segtrain.config import (
    AdamSolver,
    AdamWSolver,
    MuonSolver,
    RmspropSolver,
    SgdSolver,
)
from napari_segtrain.config.presets import PRESETS, complete_augmentation
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.events import IterationEnd
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.optim import build_optimizer
from napari_segtrain.training.plan import resolve
from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run

SOLVERS = [
    MuonSolver(),
    AdamWSolver(),
    AdamSolver(),
    SgdSolver(),
    SgdSolver(momentum=0.0, nesterov=False),
    RmspropSolver(),
    RmspropSolver(momentum=0.9),
]
RATE, DECAY = 0.01, 0.1


def stepped(solver, gradients, *, decay=DECAY):
    """A weight and a bias of 1 after a step for each gradient."""
    layer = nn.Linear(1, 1)
    for parameter in layer.parameters():
        nn.init.constant_(parameter, 1.0)
    optimizer = build_optimizer(layer, solver, RATE, decay)
    for gradient in gradients:
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
    return layer.weight.item(), layer.bias.item()


def sgd(values, momentum, *, nesterov, decay):
    weight, velocity = 1.0, 0.0
    for value in values:
        gradient = value + decay * weight
        velocity = momentum * velocity + gradient
        ahead = gradient + momentum * velocity
        weight -= RATE * (ahead if nesterov else velocity)
    return weight


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_follows_its_formula_and_decays_weights_only(nesterov):
    solver = SgdSolver(momentum=0.8, nesterov=nesterov)
    values = (0.5, -0.2, 0.7)
    weight, bias = stepped(solver, values)
    expected = sgd(values, 0.8, nesterov=nesterov, decay=DECAY)
    assert weight == pytest.approx(expected)
    assert bias == pytest.approx(sgd(values, 0.8, nesterov=nesterov, decay=0.0))


def test_the_decay_of_adamw_is_decoupled_and_that_of_adam_is_not():
    plain = stepped(AdamSolver(), [0.5], decay=0.0)[0]
    assert stepped(AdamSolver(), [0.5])[0] == pytest.approx(plain, abs=1e-6)
    decoupled = stepped(AdamWSolver(), [0.5])[0]
    assert decoupled == pytest.approx(plain - RATE * DECAY, abs=1e-6)


@pytest.mark.parametrize(
    ("solver", "other"),
    [
        (AdamWSolver(), AdamWSolver(beta1=0.5)),
        (AdamWSolver(), AdamWSolver(beta2=0.5)),
        (AdamSolver(), AdamSolver(beta1=0.5)),
        (AdamSolver(), AdamSolver(beta2=0.5)),
        (SgdSolver(), SgdSolver(momentum=0.5)),
        (SgdSolver(), SgdSolver(nesterov=False)),
        (RmspropSolver(), RmspropSolver(smoothing=0.5)),
        (RmspropSolver(), RmspropSolver(momentum=0.5)),
    ],
)
def test_every_setting_of_a_solver_changes_the_steps(solver, other):
    values = (0.5, -0.2, 0.7)
    assert stepped(solver, values) != stepped(other, values)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_stopped_and_resumed_is_uninterrupted_with_every_solver(
    tmp_path: Path, solver
) -> None:
    config = make_config(training={**_short(), "solver": solver.model_dump()})
    train(make_dataset(), config, tmp_path / "whole")
    for stop_at in (1, 7):
        parts = tmp_path / f"stopped at {stop_at}"
        train(make_dataset(), config, parts, Recorder(stop_at=stop_at))
        assert run(iter_resumed_run(parts)).iterations == 12
        assert_same_run(tmp_path / "whole", parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "one-cycle", "rise": 0.5},
        {"kind": "constant", "warm_up": 9},
        {"kind": "piecewise", "every_epochs": 1},
        {"kind": "polynomial"},
        {"kind": "cosine", "cycles": 2},
        {"kind": "on-plateau", "patience": 1, "warm_up": 4},
    ],
    ids=lambda schedule: schedule["kind"],
)
def test_stopped_and_resumed_is_uninterrupted_with_every_schedule(
    tmp_path: Path, schedule: dict[str, object]
) -> None:
    training = {**_short(), "iterations_per_epoch": 3, "schedule": schedule}
    config = make_config(training=training)
    whole, parts = Recorder(), tmp_path / "parts"
    train(make_dataset(), config, tmp_path / "whole", whole)
    first = Recorder(stop_at=7)
    train(make_dataset(), config, parts, first)
    second = Recorder()
    run(iter_resumed_run(parts), second)
    assert_same_run(tmp_path / "whole", parts)
    rates = [event.learning_rate for event in whole.of(IterationEnd)]
    parts_of = [r for part in (first, second) for r in part.of(IterationEnd)]
    assert [event.learning_rate for event in parts_of] == rates
    assert len(set(rates)) > 2


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_every_solver_learns_at_its_own_rate(tmp_path: Path, solver) -> None:
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 100},
            "solver": solver.model_dump(),
        }
    )
    result = train(make_dataset(), config, tmp_path / "run")
    assert result.score is not None
    assert result.score > 0.7


def rate_of(**training: object) -> float:
    config = make_config(training=training)
    facts = gather_facts(make_dataset(1), config)
    return resolve(config, facts, Machine("cpu", "test CPU", 8 << 30)).learning_rate


def test_the_rate_is_that_of_the_solver_unless_given():
    assert rate_of() == 0.1
    assert rate_of(solver={"kind": "adamw"}) == 2e-3
    assert rate_of(solver={"kind": "sgd"}, learning_rate=0.5) == 0.5


@pytest.mark.parametrize(
    ("training", "solver"),
    [
        ({}, MuonSolver()),
        ({"learning_rate": 1e-3}, AdamWSolver()),
        ({"learning_rate": 1e-3, "solver": {"kind": "muon"}}, MuonSolver()),
        ({"solver": {"kind": "adam"}}, AdamSolver()),
    ],
)
def test_a_rate_by_hand_is_one_of_adamw_unless_the_solver_is_given(training, solver):
    config = make_config(training=training)
    facts = gather_facts(make_dataset(1), config)
    plan = resolve(config, facts, Machine("cpu", "test CPU", 8 << 30))
    assert plan.solver == solver


@pytest.mark.parametrize("is_in_config", [True, False])
def test_runs_from_before_the_choice_go_on_with_their_solver(
    tmp_path: Path, is_in_config
):
    config = make_config(training={**_short(), "solver": {"kind": "adamw"}})
    train(make_dataset(), config, tmp_path / "run", Recorder(stop_at=2))
    path = tmp_path / "run/plan.json"
    plan = json.loads(path.read_text())
    del plan["solver"]
    if not is_in_config:
        del plan["config"]["training"]["solver"]
    path.write_text(json.dumps(plan))
    assert run(iter_resumed_run(tmp_path / "run")).is_complete
    path = tmp_path / "run/checkpoints/latest.safetensors"
    assert "0.exp_avg_sq" in load_checkpoint(path).optimizer


@pytest.mark.parametrize(
    ("training", "decay"),
    [
        ({}, 0.1),
        ({"weight_decay": 0.0}, 0.0),
        ({"solver": {"kind": "sgd"}}, 1e-4),
        ({"learning_rate": 1e-3}, 1e-4),
    ],
)
def test_the_decay_is_that_of_the_solver_unless_given(training, decay):
    config = make_config(training=training)
    facts = gather_facts(make_dataset(1), config)
    plan = resolve(config, facts, Machine("cpu", "test CPU", 8 << 30))
    assert plan.weight_decay == decay


@pytest.mark.parametrize("decay", [3e-4, None])
def test_runs_from_before_the_choice_keep_their_decay(tmp_path: Path, decay):
    train(
        make_dataset(),
        make_config(training=_short()),
        tmp_path / "run",
        Recorder(stop_at=2),
    )
    path = tmp_path / "run/plan.json"
    plan = json.loads(path.read_text())
    del plan["weight_decay"], plan["config"]["training"]["weight_decay"]
    if decay is not None:
        plan["config"]["training"]["weight_decay"] = decay
    path.write_text(json.dumps(plan))
    assert RunFolder(tmp_path / "run").read_plan().weight_decay == (decay or 1e-4)


def test_runs_from_before_the_presets_keep_their_augmentation(tmp_path: Path) -> None:
    config = make_config(training=_short(), augmentation={"noise": 0.3})
    train(make_dataset(), config, tmp_path / "run", Recorder(stop_at=2))
    path = tmp_path / "run/plan.json"
    plan = json.loads(path.read_text())
    del plan["augmentation"], plan["config"]["augmentation"]["preset"]
    path.write_text(json.dumps(plan))
    read = RunFolder(tmp_path / "run").read_plan().config.augmentation
    assert complete_augmentation(read) == replace(PRESETS["light"], noise=0.3)


def _short() -> dict[str, object]:
    length = {"kind": "iterations", "iterations": 12}
    return {"length": length, "iterations_per_epoch": 5}
