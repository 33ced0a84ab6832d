"""What a run held out is scored as its model predicts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.tasks import make_config, make_dataset
from tests.ui.runs import finished_run

from napari_segtrain import load_model, predict
from napari_segtrain.control import RunControl
from napari_segtrain.errors import DataError
from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.training.snapshot import read_snapshot
from napari_segtrain.workflows.held_out import evaluate_held_out, iter_held_out
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_training_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return finished_run(tmp_path_factory.mktemp("held") / "run")


def test_regions_are_those_of_the_plan_as_the_model_predicts_them(finished) -> None:
    plan = RunFolder.open(finished).read_plan()
    pairs = read_snapshot(RunFolder.open(finished).snapshot_path).pairs()
    found = run(iter_held_out(finished))
    assert len(found) == len(plan.facts.split.validation) > 0
    model = load_model(finished)
    for part, region in zip(found, plan.facts.split.validation, strict=True):
        pair = pairs[region.pair]
        np.testing.assert_array_equal(part.image, pair.image.read(region.box))
        truth = pair.labels.read(region.box)[0]
        np.testing.assert_array_equal(part.truth.items()[0].read()[0], truth)
        whole = predict(model, pair.image.read()[0, 0])
        y, x = region.box[1:]
        expected = whole.labels.items()[0].read()[0][0, y, x]
        np.testing.assert_array_equal(part.prediction.items()[0].read()[0, 0], expected)
        assert part.prediction.classes is not None
        assert part.start == region.start


def test_scores_are_those_of_the_regions(finished) -> None:
    report = evaluate_held_out(finished, objects=True)
    parts = run(iter_held_out(finished))
    assert [image.name for image in report.images] == [part.name for part in parts]
    right = sum(
        int((part.truth.array == part.prediction.array).sum()) for part in parts
    )
    n_voxels = sum(part.truth.array.size for part in parts)
    assert report.total.scores.overall.accuracy == pytest.approx(right / n_voxels)
    assert report.total.objects is not None


def test_a_stop_leaves_fewer(finished) -> None:
    control = RunControl()
    control.stop()
    assert run(iter_held_out(finished, control=control)) == ()


def test_runs_that_cannot_be_scored_say_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run folder"):
        run(iter_held_out(tmp_path))
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 2},
            "keep_weights": "last",
        },
        validation={"kind": "none"},
    )
    for _ in iter_training_run(make_dataset(2), config, tmp_path / "all"):
        pass
    with pytest.raises(DataError, match="held nothing out"):
        run(iter_held_out(tmp_path / "all"))
