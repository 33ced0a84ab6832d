"""The one timed test: the GUI thread stays free while networks train and predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.training.tasks import disks, make_config
from tests.viewer.heartbeat import HeartBeat, heart_beat

PLUGIN = "napari-segtrain"
LONGEST = 0.2
ATTEMPTS = 3
WAIT = 60_000
SIZE = (384, 384)


@pytest.fixture
def viewer(make_napari_viewer_proxy, preferences, tmp_path: Path):
    """A viewer that has shown both types of layers, and used both docks, before."""
    preferences.run_folder = str(tmp_path / "runs")
    viewer = make_napari_viewer_proxy(show=True)
    image, labels = disks(SIZE, 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")
    return viewer


@pytest.fixture
def docks(viewer, qtbot):
    """Docks whose code and libraries are loaded."""
    docks = [
        viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]
        for name in ("Train", "Predict")
    ]
    train_and_predict(qtbot, *docks, n_iterations=4)
    return docks


def train_and_predict(qtbot, train, predict, n_iterations: int) -> None:
    length = {"kind": "iterations", "iterations": n_iterations}
    config = make_config(training={"length": length, "iterations_per_epoch": 20})
    train.setup_page.form.set_config(config)
    train.start()
    run = train.run_page.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    predict.model.choose(run.run_dir)
    qtbot.waitUntil(lambda: predict.model.info is not None, timeout=WAIT)
    predict.maps_box.setChecked(True)
    predict.start()
    qtbot.waitUntil(lambda: not predict.run.is_running, timeout=WAIT)
    assert predict.run.failure is None


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_the_gui_thread_stays_free(qtbot, docks, monkeypatch) -> None:
    """Another program may hold the machine up once, our own code would each time."""
    napari_methods = [(ViewerModel, "add_layer")]
    records: list[HeartBeat] = []
    for _ in range(ATTEMPTS):
        with monkeypatch.context() as patch, heart_beat(patch, *napari_methods) as beat:
            train_and_predict(qtbot, *docks, n_iterations=60)
        records.append(beat)
        if beat.longest < LONGEST:
            break
    print(*(record.describe() for record in records), sep="\n")
    assert len(records[-1].gaps) > 100
    assert min(record.longest for record in records) < LONGEST


@pytest.mark.slow
def test_the_heart_beat_hears_a_blocked_thread(qtbot, monkeypatch) -> None:
    with heart_beat(monkeypatch) as beat:
        qtbot.wait(50)
        np.linalg.svd(np.random.default_rng(0).random((700, 700)))
        qtbot.wait(50)
    assert beat.longest > 0.02
