"""Ten runs in one viewer leave threads and memory where they were."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import pytest
from tests.training.tasks import disks, make_config

WAIT = 60_000
N_RUNS = 10
SIZE = (2500, 2500)
MAX_GROWTH = 4 * SIZE[0] * SIZE[1]
"""Bytes of nine runs, less than if each kept a copy of its labels."""


@pytest.fixture
def dock(make_napari_viewer_proxy, preferences, tmp_path: Path):
    preferences.run_folder = str(tmp_path / "runs")
    viewer = make_napari_viewer_proxy()
    image, labels = disks(SIZE, 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")
    _, dock = viewer.window.add_plugin_dock_widget("napari-segtrain", "Train")
    length = {"kind": "iterations", "iterations": 8}
    dock.setup_page.form.set_config(make_config(training={"length": length}))
    return dock


def train(qtbot, dock) -> tuple[int, int]:
    """Threads and bytes of the process after a run."""
    dock.start()
    run = dock.run_page.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    qtbot.waitUntil(lambda: not dock.setup_page.is_planning, timeout=WAIT)
    qtbot.wait(200)
    gc.collect()
    process = psutil.Process()
    return process.num_threads(), process.memory_info().rss


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(400)
def test_ten_runs_leave_nothing(qtbot, dock) -> None:
    threads, memory = zip(*(train(qtbot, dock) for _ in range(N_RUNS)), strict=True)
    assert threads[-1] <= threads[0] + 1, threads
    assert memory[-1] - memory[0] < MAX_GROWTH, memory
