"""Volumes on several devices at once, here on a processor that plays two."""

import itertools
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from tests.inference.helpers import finish
from tests.inference.volume.volumes import (
    BLOCKS,
    CPU,
    MODEL,
    SHAPE,
    VOLUME,
    files_of,
    labels_of,
    predicted,
    whole,
)

from napari_segtrain import RunControl
from napari_segtrain.errors import DataError, OutputError, PredictionError
from napari_segtrain.image import Image
from napari_segtrain.inference.runtime import OutOfMemory, TorchRuntime
from napari_segtrain.inference.volume import predicting, run
from napari_segtrain.inference.volume.block_work import BlockWork
from napari_segtrain.inference.volume.events import (
    BlockWritten,
    StageProgress,
    VolumeOpened,
)
from napari_segtrain.inference.volume.grid import view_first
from napari_segtrain.inference.volume.opening import open_volume
from napari_segtrain.inference.volume.run import iter_volume_prediction

TWO = (torch.device("cpu"), torch.device("cpu"))
N_BLOCKS = 18


WAIT = 60
"""Seconds; a thread of a busy computer may begin late."""


@pytest.fixture
def threads(monkeypatch):
    """Names of the threads that networks computed in, in the order of their work."""
    names = []
    call = TorchRuntime.__call__
    both = threading.Barrier(2)

    def noted(self, batch):
        name = threading.current_thread().name
        is_first = name.startswith("device") and name not in names
        names.append(name)
        if is_first:
            both.wait(WAIT)
        return call(self, batch)

    monkeypatch.setattr(TorchRuntime, "__call__", noted)
    return names


def test_two_make_the_same_bytes_as_one(tmp_path, threads):
    predicted(tmp_path / "one/cells.zarr")
    assert set(threads) == {"MainThread"}
    events, result = predicted(tmp_path / "two/cells.zarr", devices=TWO)
    assert {name for name in threads if name.startswith("device")} == {
        "device_0",
        "device_1",
    }
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")
    assert (result.is_complete, result.n_blocks) == (True, N_BLOCKS)
    written = [event for event in events if isinstance(event, BlockWritten)]
    assert [event.n_done for event in written] == list(range(1, N_BLOCKS + 1))
    covered = np.zeros(SHAPE, int)
    for event in written:
        covered[event.box] += 1
    assert (covered == 1).all()
    shares = [event.share for event in events if isinstance(event, StageProgress)]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(shares))
    assert shares[-1] == pytest.approx(1)


def test_blocks_of_a_view_are_taken_first(tmp_path):
    view = (slice(9, 10), slice(33, 40), slice(35, 50))
    opened = open_volume([MODEL], VOLUME, tmp_path / "a.zarr", CPU, BLOCKS)
    grid = opened.plan.grid
    order = [grid[n].box for n in view_first(grid, opened.wanted, view)]
    events, _ = finish(iter_volume_prediction(opened, view=view, devices=TWO))
    boxes = [event.box for event in events if isinstance(event, BlockWritten)]
    places = [order.index(box) for box in boxes]
    late = [abs(place - n) for n, place in enumerate(places)]
    # each of the two may lag behind by the block that it has and the one it has read
    assert np.mean(late) < 4


def test_a_failure_ends_all_and_keeps_what_is_written(tmp_path):
    bad = VOLUME.array.astype(np.float32)
    bad[12, 20, 40] = np.nan
    store = tmp_path / "a.zarr"
    with pytest.raises(DataError, match="z=12, y=20, x=40"):
        predicted(store, image=Image(bad, "ZYX", name="cells"), devices=TWO)
    assert not [t for t in threading.enumerate() if t.name.startswith("device")]
    image = Image(VOLUME.array.astype(np.float32), "ZYX", name="cells")
    opened = open_volume([MODEL], image, tmp_path / "b.zarr", CPU, BLOCKS)
    write, lock = BlockWork.write, threading.Lock()
    n_left = 5

    def full(self, number, painted):
        nonlocal n_left
        with lock:
            n_left -= 1
            if n_left < 0:
                raise OutputError("The disk is full.")
        write(self, number, painted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlockWork, "write", full)
        with pytest.raises(OutputError, match="full"):
            finish(iter_volume_prediction(opened, devices=TWO))
    assert len(opened.folder.marked("predict")) == 5
    events, result = predicted(tmp_path / "b.zarr", image=image, devices=TWO)
    (begun,) = [event for event in events if isinstance(event, VolumeOpened)]
    assert (begun.n_done, result.n_blocks) == (5, N_BLOCKS - 5)
    expected = whole(image=image).labels.array
    np.testing.assert_array_equal(labels_of(tmp_path / "b.zarr"), expected)


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_stop_is_answered_and_kept(tmp_path, is_closed):
    """By a control, and by a listener that ends."""
    control = RunControl()
    opened = open_volume([MODEL], VOLUME, tmp_path / "a.zarr", CPU, BLOCKS)
    work = iter_volume_prediction(opened, control=control, devices=TWO)
    n_written = 0
    for event in work:
        n_written += isinstance(event, BlockWritten)
        if n_written == 4:
            if is_closed:
                work.close()
                break
            control.stop()
    assert not [t for t in threading.enumerate() if t.name.startswith("device")]
    n_marked = len(opened.folder.marked("predict"))
    assert 4 <= n_marked < N_BLOCKS
    _, result = predicted(tmp_path / "a.zarr", devices=TWO)
    assert result.n_blocks == N_BLOCKS - n_marked
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), whole().labels.array)


def test_a_pause_holds_all_until_it_ends_or_a_stop_comes(tmp_path):
    control = RunControl()
    opened = open_volume([MODEL], VOLUME, tmp_path / "a.zarr", CPU, BLOCKS)
    control.pause()
    timer = threading.Timer(0.3, control.stop)
    timer.start()
    events = iter_volume_prediction(opened, control=control, devices=TWO)
    _, result = finish(events)
    timer.join()
    assert not result.is_complete
    assert not opened.folder.marked("predict")


@pytest.fixture
def short_memory(monkeypatch):
    """Let one of two threads hold so many voxels; the other waits until it has met it.

    Returns what was refused.
    """
    call, met, refused = TorchRuntime.__call__, threading.Event(), []

    def give(thread, n_fits):
        def limited(self, batch):
            if threading.current_thread().name != thread:
                assert met.wait(WAIT)
            elif batch.size > n_fits:
                met.set()
                refused.append(batch.size)
                raise OutOfMemory("CUDA out of memory")
            return call(self, batch)

        monkeypatch.setattr(TorchRuntime, "__call__", limited)
        return refused

    return give


def test_one_with_little_memory_takes_smaller_tiles(tmp_path, short_memory):
    refused = short_memory("device_1", 16_000)
    _, result = predicted(tmp_path / "a.zarr", devices=TWO)
    assert refused
    assert result.is_complete
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), whole().labels.array)


def test_one_without_memory_ends_all(tmp_path, short_memory):
    short_memory("device_0", 0)
    with pytest.raises(PredictionError, match="Not even a tile"):
        predicted(tmp_path / "a.zarr", devices=TWO)


def test_each_thread_means_its_own_device(tmp_path, monkeypatch):
    """Networks are copied and called where the setting says only ``cuda``."""
    here, all_of_them = threading.local(), threading.Barrier(3)
    met = set()

    @contextmanager
    def on_device(device):
        here.device = device
        yield
        here.device = None

    make, call = TorchRuntime.__init__, TorchRuntime.__call__

    def made(self, *given, **options):
        self.made_on = getattr(here, "device", None)
        make(self, *given, **options)

    def called(self, batch):
        assert here.device == self.made_on
        if self.made_on not in met:
            met.add(self.made_on)
            all_of_them.wait(WAIT)
        return call(self, batch)

    opened = open_volume([MODEL], VOLUME, tmp_path / "a.zarr", CPU, BLOCKS)
    monkeypatch.setattr(TorchRuntime, "__init__", made)
    monkeypatch.setattr(TorchRuntime, "__call__", called)
    for module in (run, predicting):
        monkeypatch.setattr(module, "on_device", on_device)
    gpus = [torch.device("cuda", number) for number in range(3)]
    monkeypatch.setattr(run, "choose_devices", lambda _: gpus)
    finish(iter_volume_prediction(opened))
    assert met == set(gpus)
