"""``train`` takes arrays, images and paths, and cleans up after itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from tests.cli.helpers import disks, write_set
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import Image, LabelImage, load_model, predict, train
from napari_segtrain.config import ExperimentConfig, UNetConfig
from napari_segtrain.errors import ConfigError, DataError, OutputError
from napari_segtrain.training.events import CheckpointSaved, Planned
from napari_segtrain.workflows.settings import expand_length
from napari_segtrain.workflows.training import plan_training

SMALL: dict[str, Any] = {
    "network": {"depth": 1, "first_filters": 4},
    "sampling": {"patch_size": (1, 32, 32), "batch_size": 2},
    "validation": {"kind": "none"},
}


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    return disks((48, 48), 0)


@pytest.mark.slow
def test_every_form_of_data_trains_the_same(pair, tmp_path: Path) -> None:
    image, labels = pair
    write_set(tmp_path / "set", 1, (48, 48))
    store = zarr.create_array(tmp_path / "a.zarr", data=image)
    forms = [
        (image, labels),
        ([image], [labels]),
        (Image(image), LabelImage(labels)),
        (store, labels),
        (tmp_path / "a.zarr", labels),
        (tmp_path / "set/image", tmp_path / "set/label"),
        (str(tmp_path / "set/image/cell_a.tif"), tmp_path / "set/label/cell_a.tif"),
    ]
    weights = set()
    for number, form in enumerate(forms):
        result = train(*form, output=tmp_path / f"{number}", iterations=2, **SMALL)
        assert (result.run_dir / "curves.png").exists()
        weights.add((result.model_path / "weights.safetensors").read_bytes())
    assert len(weights) == 1


def test_a_run_in_memory_keeps_its_image(pair, tmp_path: Path) -> None:
    train(*pair, output=tmp_path / "run", iterations=1, **SMALL)
    assert (tmp_path / "run/snapshot/image-0000.zarr").exists()


def test_the_size_of_a_list_must_match(pair) -> None:
    with pytest.raises(DataError, match="2 images but 1 label images"):
        train([pair[0], pair[0]], [pair[1]])


def test_settings_that_do_not_exist(pair, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such setting"):
        train(*pair, output=tmp_path / "run", trainin={"seed": 1})
    with pytest.raises(ConfigError, match="no such setting"):
        predict("nowhere", pair[0], overlapp=0.1)
    assert list(tmp_path.iterdir()) == []


class Trouble(Exception):
    """Something that goes wrong on the way."""


@pytest.mark.parametrize("keep_folder", [False, True])
def test_a_run_that_did_not_begin_leaves_no_files(
    pair, tmp_path: Path, keep_folder: bool
) -> None:
    def fail(event: object) -> None:
        if isinstance(event, Planned):
            raise Trouble

    run = tmp_path / "run"
    if keep_folder:
        run.mkdir()
    with pytest.raises(Trouble):
        train(*pair, output=run, iterations=2, on_event=fail, **SMALL)
    assert run.exists() == keep_folder
    assert not keep_folder or list(run.iterdir()) == []


def test_a_run_that_fails_later_stays_loadable(pair, tmp_path: Path) -> None:
    def fail(event: object) -> None:
        if isinstance(event, CheckpointSaved):
            raise Trouble

    with pytest.raises(Trouble):
        train(*pair, output=tmp_path / "run", iterations=2, on_event=fail, **SMALL)
    assert load_model(tmp_path / "run").spec.dims == 2


def test_the_files_of_others_are_never_removed(pair, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="never overwritten"):
        train(*pair, output=tmp_path, iterations=1, **SMALL)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_length_by_its_name() -> None:
    assert expand_length({"data": {}}) == {"data": {}}
    assert expand_length({"time_budget": 5, "training": {"seed": 1}}) == {
        "training": {"seed": 1, "length": {"kind": "time-budget", "seconds": 5}}
    }
    assert expand_length({"epochs": None, "iterations": 3}) == {
        "training": {"length": {"kind": "iterations", "iterations": 3}}
    }
    with pytest.raises(ConfigError, match="time-budget and epochs"):
        expand_length({"time_budget": 5, "epochs": 0})


def test_a_plan_keeps_within_a_memory_limit() -> None:
    dataset, automatic = make_dataset(2), {"batch_size": "auto"}
    free = plan_training(dataset, make_config(sampling=automatic))
    limit = free.memory_bytes / 2 / 1e9
    config = make_config(sampling=automatic, training={"memory_limit": limit})
    plan = plan_training(dataset, config)
    assert plan.machine.memory_bytes == round(limit * 1e9)
    assert plan.batch_size < free.batch_size


def test_a_default_that_is_asked_for_contradicts_the_model_to_go_on_from(
    pair, tmp_path: Path
) -> None:
    network = {**SMALL["network"], "norm": "instance"}
    base = tmp_path / "base"
    train(*pair, output=base, iterations=1, **{**SMALL, "network": network})
    rest = {"validation": {"kind": "none"}, "iterations": 1, "continue_from": base}
    for settings in (
        {"network": {"norm": "batch"}},
        {"network": UNetConfig(norm="batch")},
        {"config": ExperimentConfig(network=UNetConfig(norm="batch"))},
    ):
        with pytest.raises(ConfigError, match=r"network\.norm is batch, but the model"):
            train(*pair, output=tmp_path / "run", **rest, **settings)
    config = ExperimentConfig(network=UNetConfig(norm="instance"))
    train(*pair, output=tmp_path / "run", config=config, **rest)
    assert load_model(tmp_path / "run").spec.network.norm == "instance"
