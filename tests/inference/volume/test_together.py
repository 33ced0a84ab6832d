"""Several processes on one run, which threads stand for here."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from tests.inference.helpers import class_table, finish, tiny_model
from tests.inference.volume.volumes import (
    CPU,
    MODEL,
    VOLUME,
    files_of,
    labels_of,
    predicted,
    whole,
)

from napari_segtrain import RunControl
from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import (
    DataError,
    OtherResultFound,
    OutputError,
    PredictionError,
)
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference import items
from napari_segtrain.inference.volume import on_dask, opening
from napari_segtrain.inference.volume.block_work import BlockWork
from napari_segtrain.inference.volume.events import BlockWritten
from napari_segtrain.inference.volume.on_dask import Cluster, _do_block, _Tasks
from napari_segtrain.inference.volume.opening import Area, open_volume
from napari_segtrain.inference.volume.run import iter_volume_prediction
from napari_segtrain.inference.volume.source import ReadAhead
from napari_segtrain.inference.volume.work_folder import work_path
from napari_segtrain.io import read_image

OBJECTS = tiny_model(3, classes=class_table(0, 1, is_objects=True), seed=4)


FEW = VolumeConfig(block_size=(21, 20, 27))


def begun(store, model=OBJECTS):
    return open_volume([model], VOLUME, store, CPU, FEW)


def predict_all(store):
    """Predict all blocks, and stop before the next stage."""
    run = begun(store)
    events = iter_volume_prediction(run, part=(1, 1))
    n_left = len(run.wanted)
    while n_left:
        n_left -= isinstance(next(events), BlockWritten)
    events.close()


@pytest.fixture
def slow_finish(monkeypatch):
    """Let blocks of the second stage take a while; returns the numbers done."""
    finish_block, numbers = BlockWork.finish, []

    def slow(self, number):
        numbers.append(number)
        time.sleep(0.05)
        finish_block(self, number)

    monkeypatch.setattr(BlockWork, "finish", slow)
    return numbers


def test_two_that_finish_do_each_block_once(tmp_path, slow_finish):
    predicted(tmp_path / "whole/cells.zarr", OBJECTS, volume=FEW)
    slow_finish.clear()
    store = tmp_path / "parts/cells.zarr"
    predict_all(store)
    runs = [begun(store), begun(store)]

    def run(number):
        events = iter_volume_prediction(runs[number - 1], part=(number, 2))
        return finish(events)[1]

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, (1, 2)))
    assert sorted(slow_finish) == runs[0].wanted
    assert any(result.is_complete for result in results)
    for result in results:
        assert result.is_complete or str(os.getpid()) in result.finisher
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def test_one_that_comes_late_leaves_what_is_complete_alone(tmp_path):
    store = tmp_path / "cells.zarr"
    predict_all(store)
    late = begun(store)
    assert predicted(store, OBJECTS, volume=FEW)[1].is_complete
    before = files_of(tmp_path)
    assert finish(iter_volume_prediction(late))[1].is_complete
    assert files_of(tmp_path) == before
    assert not work_path(store).exists()


def test_a_block_of_a_killed_process_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_segtrain.inference.volume.work_folder._DEAD_SECONDS", 0.5
    )
    store = tmp_path / "cells.zarr"
    predict_all(store)
    run = begun(store)
    assert run.folder.claim("finish", run.wanted[0])
    (claim,) = (run.folder.run / "claims").iterdir()
    claim.write_text(f"{socket.gethostname()} {2**22 + 1} x")  # no such process
    assert predicted(store, OBJECTS, volume=FEW)[1].is_complete
    assert files_of(tmp_path) == files_of_whole(tmp_path)


def files_of_whole(tmp_path):
    """What an undisturbed run writes."""
    folder = tmp_path.parent / f"{tmp_path.name}-whole"
    predicted(folder / "cells.zarr", OBJECTS, volume=FEW)
    return files_of(folder)


def test_what_has_failed_is_given_back(tmp_path, monkeypatch):
    store = tmp_path / "cells.zarr"
    predict_all(store)
    with monkeypatch.context() as patch:
        patch.setattr(
            BlockWork, "finish", lambda *_: (_ for _ in ()).throw(OutputError("full"))
        )
        with pytest.raises(OutputError, match="full"):
            predicted(store, OBJECTS, volume=FEW)
    assert predicted(store, OBJECTS, volume=FEW)[1].is_complete


@pytest.mark.parametrize("is_complete", [False, True])
def test_one_that_plans_while_another_begins_goes_on_with_its_run(
    tmp_path, monkeypatch, is_complete
):
    store, plan = tmp_path / "cells.zarr", opening.empty_blocks

    def slow(*given):
        with monkeypatch.context() as patch:
            patch.setattr(opening, "empty_blocks", plan)
            if is_complete:
                predicted(store, MODEL, volume=FEW)
            else:
                begun(store, MODEL)
        return plan(*given)

    monkeypatch.setattr(opening, "empty_blocks", slow)
    run = begun(store, MODEL)
    assert run.is_complete == is_complete
    assert finish(iter_volume_prediction(run))[1].is_complete
    np.testing.assert_array_equal(labels_of(store), whole().labels.array)


def test_another_result_is_still_refused_after_planning(tmp_path, monkeypatch):
    store, plan = tmp_path / "cells.zarr", opening.empty_blocks

    def slow(*given):
        store.mkdir()
        return plan(*given)

    monkeypatch.setattr(opening, "empty_blocks", slow)
    with pytest.raises(OtherResultFound, match="no result of this program"):
        begun(store, MODEL)


@pytest.mark.parametrize("status", ["cancelled", "lost"])
def test_blocks_of_a_lost_scheduler_do_not_count_as_done(tmp_path, status):
    run = begun(tmp_path / "cells.zarr", MODEL)
    future = SimpleNamespace(
        key="a", status=status, done=lambda: True, exception=lambda: None
    )
    client = SimpleNamespace(submit=lambda *_, **__: future)
    tasks = _Tasks(run, None, RunControl()).run(client, "predict", Cluster("tcp://a"))
    with pytest.raises(PredictionError, match="scheduler is gone"):
        finish(tasks)


def test_a_worker_with_several_threads_does_one_block_at_a_time(tmp_path, monkeypatch):
    store = tmp_path / "cells.zarr"
    run = begun(store, MODEL)
    monkeypatch.setattr(on_dask, "_use_own_gpu", lambda: None)
    monkeypatch.setattr(on_dask, "_opened", {})
    n_opened = []

    def opener():
        n_opened.append(threading.current_thread().name)
        return begun(store, MODEL)

    def work(number):
        _do_block(opener, run.folder.token, "predict", number, 0)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, run.wanted))
    assert len(n_opened) == 1
    assert finish(iter_volume_prediction(begun(store, MODEL)))[1].is_complete
    np.testing.assert_array_equal(labels_of(store), whole().labels.array)


def saved(path):
    """The volume in a store."""
    zarr.create_array(str(path), data=VOLUME.array, chunks=(8, 16, 32))
    return read_image(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("image.zarr", "is what is read"),
        ("image.zarr/labels", "lies in"),
        (".", "is what is read, or holds it"),
    ],
)
@pytest.mark.parametrize("is_mask", [False, True])
def test_a_result_never_lies_in_what_is_read(tmp_path, name, words, is_mask):
    image = saved(tmp_path / "image.zarr")
    before = files_of(tmp_path)
    area = None
    if is_mask:
        values = np.ones(VOLUME.array.shape, np.uint8)
        classes = class_table(0, 1)
        area = Area(
            mask=LabelImage(values, "ZYX", classes=classes, source=image.source)
        )
        image = Image(VOLUME.array, "ZYX", name="cells")
    with pytest.raises(OutputError, match=words):
        predicted(tmp_path / name, image=image, area=area, overwrite=True)
    assert files_of(tmp_path) == before


def test_what_is_read_besides_what_was_loaded_is_checked_too(tmp_path):
    ahead = ReadAhead(saved(tmp_path / "image.zarr"))
    box = slice(0, 8), slice(0, 16), slice(0, 32)
    ahead.load(0, (), box)
    (tmp_path / "image.zarr").rename(tmp_path / "away")
    np.testing.assert_array_equal(ahead.image.array[box], VOLUME.array[box])
    with pytest.raises(DataError, match="not there any more"):
        np.asarray(ahead.image.array[slice(0, 9), slice(0, 16), slice(0, 32)])


def test_several_models_are_cut_as_at_the_beginning(tmp_path, monkeypatch):
    """Whatever memory is free when a run goes on."""
    models = [tiny_model(3, seed=1), tiny_model(2, seed=2)]

    def opened():
        return open_volume(models, VOLUME, tmp_path / "a.zarr", CPU, FEW)

    cut = opened().plan.cut
    assert len(cut.tiles) == 2
    assert cut.tiles[1][0][0] == 1

    def fail(_config):
        raise AssertionError("was cut anew")

    monkeypatch.setattr("napari_segtrain.inference.committee.affordable_numbers", fail)
    seen = []
    choose = items.choose_tiles

    def choose_tiles(shape, box, info, config, **given):
        seen.append((info.dims, config.tile_size))
        return choose(shape, box, info, config, **given)

    monkeypatch.setattr(items, "choose_tiles", choose_tiles)
    assert finish(iter_volume_prediction(opened()))[1].is_complete
    assert set(seen) == {(3, cut.tiles[0][0]), (2, cut.tiles[1][0])}
