"""Volumes that are predicted block by block."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import zarr
from tests.inference.helpers import class_table, finish, tiny_model
from tests.inference.volume.volumes import (
    BLOCKS,
    CPU,
    MODEL,
    SHAPE,
    VOLUME,
    cells,
    files_of,
    labels_of,
    maps_of,
    predicted,
    same_partition,
    whole,
)

from napari_segtrain import RunControl
from napari_segtrain.config import InferenceConfig, VolumeConfig
from napari_segtrain.errors import ConfigError, DataError, ModelError, OutputError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.inference.volume.events import (
    BlockWritten,
    StageProgress,
    VolumeOpened,
)
from napari_segtrain.inference.volume.opening import Area, open_volume
from napari_segtrain.inference.volume.run import iter_volume_prediction
from napari_segtrain.inference.volume.work_folder import WorkFolder, work_path
from napari_segtrain.io import read_image, read_labels
from napari_segtrain.models import Decision

MAPS = CPU.model_copy(update={"probabilities": "uint8"})


@pytest.mark.parametrize("dims", [2, 3])
def test_equals_the_prediction_in_one_piece(tmp_path, dims):
    model = tiny_model(dims)
    store = tmp_path / "cells.ome.zarr"
    _, result = predicted(store, model, config=MAPS)
    expected = whole(model, config=MAPS)
    assert result.is_complete
    assert result.n_blocks == 3 * 3 * 2
    labels = read_labels(store)
    assert (labels.axes, labels.voxel_size) == ("ZYX", (0.4, 0.1, 0.1))
    assert labels.classes.values == model.spec.classes.values
    assert len(np.unique(expected.labels.array)) > 1
    np.testing.assert_array_equal(labels_of(store), expected.labels.array)
    difference = maps_of(store).astype(int) - expected.probabilities.array
    assert np.abs(difference).max() <= 1
    assert not work_path(store).exists()


def test_a_flat_image_and_items(tmp_path):
    model = tiny_model(2)
    image = Image(cells((3, 40, 53)), "TYX", name="frames")
    predicted(tmp_path / "a.zarr", model, image, MAPS)
    expected = whole(model, image, MAPS)
    assert read_labels(tmp_path / "a.zarr").axes == "TYX"
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), expected.labels.array)
    maps = maps_of(tmp_path / "a.zarr")
    assert maps.shape == expected.probabilities.array.shape == (3, 3, 40, 53)
    assert np.abs(maps.astype(int) - expected.probabilities.array).max() <= 1


def test_channels_are_read_in_any_order_of_axes(tmp_path):
    model = tiny_model(3, n_channels=2)
    both = np.stack([cells(), cells(seed=1)], axis=-1)
    image = Image(both, "ZYXC", name="two")
    predicted(tmp_path / "a.zarr", model, image)
    expected = whole(model, image).labels.array
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), expected)


@pytest.mark.parametrize(("dims", "shape"), [(2, SHAPE), (3, SHAPE), (2, (1, 70, 90))])
def test_objects_go_on_across_blocks(tmp_path, dims, shape):
    model = tiny_model(dims, classes=class_table(0, 1, is_objects=True), seed=4)
    image = Image(cells(shape), "ZYX", name="cells")
    store = tmp_path / "cells.zarr"
    events, _ = predicted(store, model, image)
    expected = whole(model, image).labels.array
    found = labels_of(store)
    assert expected.max() > 3
    assert found.dtype == np.uint32
    assert same_partition(found, expected)
    stages = {event.stage for event in events if isinstance(event, BlockWritten)}
    assert stages == {"predict", "finish", "join"}


@pytest.mark.parametrize("per_slice", [True, False])
def test_a_decision_sees_what_lies_around_a_block(tmp_path, per_slice):
    decision = Decision((0.3, 0.4, 0.3), (3, 3, 3), (0, 9, 9), per_slice=per_slice)
    model = tiny_model(3, decision=decision)
    predicted(tmp_path / "a.zarr", model)
    expected = whole(model).labels.array
    plain = whole(model, config=CPU.model_copy(update={"decision": "argmax"}))
    assert (expected != plain.labels.array).any()
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), expected)


def test_small_parts_are_judged_by_all_of_them_however_far_they_reach(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_segtrain.inference.volume.plan._MARGIN", 2)
    decision = Decision((0.3, 0.4, 0.3), (1, 1, 1), (0, 60, 60), per_slice=False)
    model = tiny_model(3, decision=decision)
    expected = whole(model).labels.array
    opened = open_volume([model], VOLUME, tmp_path / "a.zarr", CPU, BLOCKS)
    assert max(opened.plan.margin) == 2
    finish(iter_volume_prediction(opened))
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), expected)
    asked_for = BLOCKS.model_copy(update={"margin": 2})
    predicted(tmp_path / "b.zarr", model, volume=asked_for)
    assert (labels_of(tmp_path / "b.zarr") != expected).any()


def stopped(store, n_blocks, **options):
    """Stop once so many blocks are written; return the result."""
    control = RunControl()
    n_written = 0

    def on_event(event):
        nonlocal n_written
        n_written += isinstance(event, BlockWritten)
        if n_written == n_blocks:
            control.stop()

    model = options.get("model", MODEL)
    opened = open_volume([model], VOLUME, store, MAPS, BLOCKS)
    return finish(iter_volume_prediction(opened, control=control), on_event)[1]


def test_goes_on_where_it_was_stopped_with_the_same_bytes(tmp_path):
    store = tmp_path / "a" / "cells.zarr"
    result = stopped(store, 4)
    assert not result.is_complete
    assert work_path(store).is_dir()
    shards = list((store / "0/c").rglob("*"))
    before = {path: path.stat().st_mtime_ns for path in shards if path.is_file()}
    assert 0 < len(before) < 18
    events, result = predicted(store, config=MAPS)
    (opened,) = [event for event in events if isinstance(event, VolumeOpened)]
    assert opened.n_done == len(before)
    assert result.is_complete
    assert result.n_blocks == 18 - len(before)
    for path, time in before.items():
        assert path.stat().st_mtime_ns == time
    predicted(tmp_path / "b" / "cells.zarr", config=MAPS)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


@pytest.mark.slow
def test_objects_go_on_in_any_stage(tmp_path):
    model = tiny_model(3, classes=class_table(0, 1, is_objects=True), seed=4)
    predicted(tmp_path / "whole" / "cells.zarr", model, config=MAPS)
    expected = files_of(tmp_path / "whole")
    for n_blocks in (20, 40):
        folder = tmp_path / str(n_blocks)
        result = stopped(folder / "cells.zarr", n_blocks, model=model)
        assert not result.is_complete
        assert predicted(folder / "cells.zarr", model, config=MAPS)[1].is_complete
        assert files_of(folder) == expected


def test_what_is_complete_stays(tmp_path):
    store = tmp_path / "cells.zarr"
    predicted(store)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    events, result = predicted(store)
    assert result.is_complete
    assert result.n_blocks == 0
    assert events == []
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


OTHER_IMAGE = Image(cells(seed=5), "ZYX", (0.4, 0.1, 0.1), name="cells")


@pytest.mark.parametrize("is_complete", [True, False])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": tiny_model(3, seed=1)}, "other models"),
        ({"model": tiny_model(3, classes=class_table(0, 1, 2))}, "other models"),
        ({"image": OTHER_IMAGE}, "another image"),
        ({"config": MAPS.model_copy(update={"orientations": 2})}, "other settings"),
        ({"volume": VolumeConfig(block_size=(8, 16, 16))}, "other blocks"),
        ({"area": Area((slice(0, 4),) * 3)}, "another region"),
    ],
)
def test_what_has_changed_is_refused(tmp_path, is_complete, change, words):
    store = tmp_path / "cells.zarr"
    if is_complete:
        predicted(store, config=MAPS)
    else:
        stopped(store, 2)
    before = files_of(tmp_path)
    asked = {"config": MAPS} | change
    with pytest.raises(OutputError, match=words):
        predicted(store, **asked)
    assert files_of(tmp_path) == before
    assert predicted(store, **asked, overwrite=True)[1].is_complete


def test_settings_of_the_machine_may_change(tmp_path):
    store = tmp_path / "cells.zarr"
    stopped(store, 2)
    other = MAPS.model_copy(update={"memory_limit": 0.001, "batch_size": 1})
    assert predicted(store, config=other)[1].is_complete
    np.testing.assert_array_equal(labels_of(store), whole(config=MAPS).labels.array)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["a.zarr", "probabilities/a.zarr"])
def test_something_else_is_never_replaced(tmp_path, name, overwrite):
    group = zarr.open_group(str(tmp_path / name), mode="w")
    group.create_array("own", shape=(3,), dtype="u1")
    before = files_of(tmp_path)
    with pytest.raises(OutputError, match=r"a\.zarr exists already"):
        predicted(tmp_path / "a.zarr", config=MAPS, overwrite=overwrite)
    assert files_of(tmp_path) == before


def test_what_cannot_begin_leaves_the_old_result(tmp_path, monkeypatch):
    store = tmp_path / "a.zarr"
    predicted(store, config=MAPS)
    before = files_of(tmp_path)
    wrong = MAPS.model_copy(update={"tile_size": (4, 4, 4)})
    with pytest.raises(ConfigError, match="no room"):
        predicted(store, config=wrong, overwrite=True)
    assert files_of(tmp_path) == before


def test_workers_only_go_on_with_what_was_begun(tmp_path):
    with pytest.raises(OutputError, match=r"no run at .*same folders"):
        predicted(tmp_path / "a.zarr", may_begin=False)
    assert list(tmp_path.iterdir()) == []
    stopped(tmp_path / "a.zarr", 2)
    assert predicted(tmp_path / "a.zarr", config=MAPS, may_begin=False)[1].is_complete


@pytest.mark.slow
def test_the_one_that_finishes_is_named(tmp_path):
    """A part that comes to the end while another one joins objects leaves it alone."""
    model = tiny_model(3, classes=class_table(0, 1, is_objects=True), seed=4)
    store = tmp_path / "cells.zarr"
    stopped(store, 40, model=model)
    other = WorkFolder(work_path(store))
    other.read_manifest()
    assert other.lock()
    _, result = predicted(store, model, config=MAPS)
    assert not result.is_complete
    assert str(os.getpid()) in result.finisher
    other.unlock()
    assert predicted(store, model, config=MAPS)[1].is_complete


@pytest.mark.slow
def test_processes_that_begin_together_make_one_run(tmp_path):
    model = tiny_model(3, classes=class_table(0, 1, is_objects=True), seed=4)
    predicted(tmp_path / "whole/cells.zarr", model)
    store = tmp_path / "parts/cells.zarr"
    with ThreadPoolExecutor(3) as pool:
        barrier = threading.Barrier(3)

        def run(part):
            opened = []
            barrier.wait()
            opened.append(open_volume([model], VOLUME, store, CPU, BLOCKS))
            return finish(iter_volume_prediction(opened[0], part=(part, 3)))[1]

        results = list(pool.map(run, (1, 2, 3)))
    assert sum(result.n_blocks for result in results) == 18
    assert predicted(store, model)[1].is_complete
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def test_a_manifest_of_a_newer_version_is_refused(tmp_path):
    store = tmp_path / "a.zarr"
    stopped(store, 2)
    manifest = work_path(store) / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(values | {"format_version": 99}))
    with pytest.raises(OutputError, match="version 99"):
        predicted(store, config=MAPS)
    manifest.write_text("{")
    with pytest.raises(OutputError, match="cannot be read"):
        predicted(store, config=MAPS)


@pytest.mark.slow
@pytest.mark.parametrize("is_object", [False, True])
def test_parts_make_the_same_as_one_process(tmp_path, is_object):
    model = MODEL
    if is_object:
        model = tiny_model(3, classes=class_table(0, 1, is_objects=True), seed=4)
    predicted(tmp_path / "whole/cells.zarr", model)
    n_blocks = []
    for part in (2, 3, 1):
        store = tmp_path / "parts/cells.zarr"
        _, result = predicted(store, model, part=(part, 3))
        n_blocks.append(result.n_blocks)
        assert result.is_complete == (part == 1)
    assert n_blocks == [6, 6, 6]
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def test_only_a_region_is_predicted(tmp_path):
    store = tmp_path / "a.zarr"
    region = (slice(9, 10), slice(17, 30), slice(31, 33))
    events, result = predicted(store, area=Area(region), config=MAPS)
    assert events[0].n_empty == 18 - 2
    assert result.n_blocks == 2
    expected = np.zeros_like(whole().labels.array)
    box = (slice(8, 16), slice(16, 32), slice(0, 53))
    expected[box] = whole().labels.array[box]
    np.testing.assert_array_equal(labels_of(store), expected)
    assert not maps_of(store)[:, :8].any()


def test_open_slices_are_a_region_like_others(tmp_path):
    store = tmp_path / "a.zarr"
    area = Area((slice(None, 8), slice(20, None), slice(None)))
    assert predicted(store, area=area)[1].n_blocks == 4
    same = Area((slice(0, 8), slice(20, 40), slice(0, 53)))
    assert predicted(store, area=same)[1].n_blocks == 0


def test_what_a_killed_deletion_left_is_gone_after_the_next_run(tmp_path):
    left = [".a.zarr-01234567.tmp.deleted", ".a.zarr.work-89abcdef.tmp.deleted"]
    left += ["probabilities/.a.zarr-01234567.tmp.deleted"]
    other = tmp_path / ".b.zarr-01234567.tmp.deleted"
    area = Area((slice(0, 1),) * 3)
    for overwrite in (False, False, True):
        for name in left:
            (tmp_path / name / "0").mkdir(parents=True)
        other.mkdir(exist_ok=True)
        store = tmp_path / "a.zarr"
        predicted(store, config=MAPS, area=area, overwrite=overwrite)
        found = [path for path in tmp_path.rglob(".*") if path.is_dir()]
        assert found == [other]
        assert store.is_dir()


@pytest.mark.parametrize("step", [(1, 1, 1), (3, 5, 7)])
def test_blocks_outside_a_mask_are_left_empty(tmp_path, step):
    shape = [-(-n // s) for n, s in zip(SHAPE, step, strict=True)]
    mask = np.zeros(shape, np.uint8)
    mask[0, -1, 0] = 1
    area = Area(mask=LabelImage(mask, "ZYX"))
    _, result = predicted(tmp_path / "a.zarr", area=area)
    assert result.n_blocks == 1
    found = labels_of(tmp_path / "a.zarr")
    expected = whole().labels.array
    box = (slice(0, 8), slice(32, 40), slice(0, 32))
    np.testing.assert_array_equal(found[box], expected[box])
    found[box] = 0
    assert not found.any()


def test_a_flat_mask_holds_for_all_slices(tmp_path):
    mask = np.zeros(SHAPE[1:], bool)
    mask[3, 3] = True
    area = Area(mask=LabelImage(mask, "YX"))
    assert predicted(tmp_path / "a.zarr", area=area)[1].n_blocks == 3


def test_dark_blocks_are_left_empty(tmp_path):
    dark = cells()
    dark[8:16] = 40
    image = Image(dark, "ZYX", name="cells")
    volume = VolumeConfig(block_size=(8, 16, 32), empty_below=41)
    _, result = predicted(tmp_path / "a.zarr", image=image, volume=volume)
    assert result.is_complete
    expected = whole(image=image).labels.array.copy()
    assert expected[8:16].any()
    expected[8:16] = 0
    np.testing.assert_array_equal(labels_of(tmp_path / "a.zarr"), expected)


def test_a_decision_takes_dark_blocks_for_unknown(tmp_path):
    """They do not become the first class, nor do they vote for it around them."""
    decision = Decision((0.3, 0.4, 0.3), (3, 3, 3), (0, 9, 9), per_slice=False)
    model = tiny_model(3, decision=decision, classes=class_table(1, 7, 300))
    dark = cells()
    dark[8:] = 40
    image = Image(dark, "ZYX", name="cells")
    volume = VolumeConfig(block_size=(8, 16, 32), empty_below=41)
    predicted(tmp_path / "a.zarr", model, image, volume=volume)
    found = labels_of(tmp_path / "a.zarr")
    assert (found[:8] > 0).all()
    assert not found[8:].any()


def test_objects_are_joined_without_a_margin(tmp_path):
    model = tiny_model(3, classes=class_table(0, 1, is_objects=True), seed=4)
    volume = VolumeConfig(block_size=(8, 16, 32), margin=0)
    predicted(tmp_path / "a.zarr", model, volume=volume)
    assert same_partition(labels_of(tmp_path / "a.zarr"), whole(model).labels.array)


def test_a_lower_resolution_lies_in_the_same_place(tmp_path):
    volume = VolumeConfig(block_size=(8, 16, 16), downsampling=(1, 2, 3))
    store = tmp_path / "a.zarr"
    predicted(store, volume=volume)
    fine = VOLUME.array.astype(float)
    rows = [fine[:, y : y + 2].mean(1) for y in range(0, 40, 2)]
    both = np.stack(rows, 1)
    coarse = np.stack([both[:, :, x : x + 3].mean(2) for x in range(0, 53, 3)], 2)
    small = Image(np.rint(coarse).astype(np.uint8), "ZYX", name="cells")
    np.testing.assert_array_equal(labels_of(store), whole(image=small).labels.array)
    assert read_labels(store).voxel_size == pytest.approx((0.4, 0.2, 0.3))
    facts = zarr.open_group(str(store), mode="r").attrs["ome"]
    (scale, translation) = facts["multiscales"][0]["datasets"][0][
        "coordinateTransformations"
    ]
    assert scale["scale"] == pytest.approx([0.4, 0.2, 0.3])
    assert translation["translation"] == pytest.approx([0, 0.05, 0.1])


def test_what_was_not_predicted_is_not_known(tmp_path):
    config = CPU.model_copy(update={"uncertainty": "entropy"})
    area = Area((slice(0, 1),) * 3)
    predicted(tmp_path / "a.zarr", config=config, area=area)
    found = maps_of(tmp_path / "a.zarr", "entropy")
    expected = whole(config=config).uncertainty.array
    np.testing.assert_allclose(found[:8, :16, :32], expected[:8, :16, :32], atol=1e-5)
    assert np.isnan(found[8:]).all()


def test_reports_the_engine_progress_and_blocks(tmp_path):
    events, _ = predicted(tmp_path / "a.zarr")
    assert isinstance(events[0], VolumeOpened)
    assert any(isinstance(event, EngineChosen) for event in events)
    shares = [event.share for event in events if isinstance(event, StageProgress)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    written = [event for event in events if isinstance(event, BlockWritten)]
    assert [event.n_done for event in written] == list(range(1, 19))
    covered = np.zeros(SHAPE, int)
    for event in written:
        covered[event.box] += 1
    assert (covered == 1).all()


def test_blocks_of_a_view_come_first(tmp_path):
    view = (slice(9, 10), slice(33, 40), slice(35, 50))
    events, _ = predicted(tmp_path / "a.zarr", view=view)
    boxes = [event.box for event in events if isinstance(event, BlockWritten)]
    assert boxes[0] == (slice(8, 16), slice(32, 40), slice(32, 53))


def test_blocks_are_read_once_with_what_lies_around(tmp_path):
    """And nothing else: not even a block is asked for twice."""

    class Counted:
        shape, dtype = SHAPE, np.dtype(np.uint8)
        n_read = 0

        def __getitem__(self, key):
            found = VOLUME.array[key]
            self.n_read += found.size
            return found

    array = Counted()
    predicted(tmp_path / "a.zarr", image=Image(array, "ZYX", name="cells"))
    halo, blocks = 2 * (MODEL.info.radius[0] + 4), np.array([8, 16, 32])
    most = 18 * np.prod(blocks + halo)
    assert np.prod(SHAPE) < array.n_read < most


NAN = cells().astype(np.float32)
NAN[12, 20, 40] = np.nan


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"image": Image(cells((40, 53)), "YX", name="flat")}, ModelError, "without Z"),
        ({"model": tiny_model(3, n_channels=2)}, ModelError, "2 channels"),
        ({"area": Area((slice(0, 22), slice(0, 4), slice(0, 4)))}, DataError, "0:22"),
        ({"area": Area((slice(4, 4),) * 3)}, DataError, "4:4"),
        (
            {"area": Area(mask=LabelImage(np.ones((22, 40, 53), bool)))},
            DataError,
            r"mask.*\(22, 40, 53\)",
        ),
        ({"volume": VolumeConfig(downsampling=(22, 1, 1))}, ConfigError, "by 22"),
        ({"image": Image(NAN, "ZYX", name="cells")}, DataError, "z=12, y=20, x=40"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        predicted(tmp_path / "a.zarr", **options)


def test_a_full_disk_leaves_what_can_go_on(tmp_path, monkeypatch):
    store = tmp_path / "cells.zarr"
    n_written = 0
    put = zarr.Array.__setitem__

    def fail(self, *given):
        nonlocal n_written
        n_written += 1
        if n_written > 7:
            raise OSError(28, "No space left on device")
        put(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", fail)
        with pytest.raises(OutputError, match="disk is full"):
            predicted(store)
    events, result = predicted(store)
    assert events[0].n_done > 0
    assert result.is_complete
    np.testing.assert_array_equal(labels_of(store), whole().labels.array)


def test_a_store_that_vanishes_is_an_error(tmp_path):
    source = tmp_path / "image.zarr"
    array = zarr.create_array(
        str(source), shape=SHAPE, chunks=(8, 16, 32), dtype="uint8"
    )
    array[...] = VOLUME.array
    image = read_image(source)
    store = tmp_path / "cells.zarr"
    opened = open_volume([MODEL], image, store, CPU, BLOCKS)

    def vanish(event):
        if isinstance(event, BlockWritten) and source.exists():
            source.rename(tmp_path / "away")

    with pytest.raises(DataError, match=r"image\.zarr is not there any more"):
        finish(iter_volume_prediction(opened), vanish)
    (tmp_path / "away").rename(source)
    predicted(store, image=image)
    np.testing.assert_array_equal(labels_of(store), whole().labels.array)


def test_damaged_chunks_are_an_error(tmp_path):
    source = tmp_path / "image.zarr"
    array = zarr.create_array(
        str(source), shape=SHAPE, chunks=(8, 16, 32), dtype="uint8"
    )
    array[...] = VOLUME.array
    for chunk in (source / "c/2").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"gone")
    with pytest.raises(DataError, match=r"image\.zarr cannot be read"):
        predicted(tmp_path / "cells.zarr", image=read_image(source))


def test_the_config_of_a_store_is_the_one_it_was_begun_with(tmp_path):
    """Tiles, which change the last digits, stay the same on another computer."""
    store = tmp_path / "cells.zarr"
    stopped(store, 2)
    manifest = json.loads((work_path(store) / "manifest.json").read_text())
    config = InferenceConfig.model_validate(manifest["plan"]["config"])
    assert config.tile_size != "auto"
    assert (config.engine, config.device) == ("torch", "cpu")


RESCALED = MAPS.model_copy(update={"rescale": True})


@pytest.mark.parametrize(("dims", "sizes"), [(2, (0.15, 0.2)), (3, (0.5, 0.23, 0.08))])
def test_rescaled_as_in_one_piece(tmp_path, dims, sizes):
    model = tiny_model(dims, voxel_size=sizes)
    store = tmp_path / "cells.ome.zarr"
    predicted(store, model, config=RESCALED)
    expected = whole(model, config=RESCALED)
    plain = whole(model, config=MAPS)
    difference = maps_of(store).astype(int) - expected.probabilities.array
    assert np.abs(difference).max() <= 1
    assert np.abs(plain.probabilities.array - expected.probabilities.array).max() > 9
    differs = labels_of(store) != expected.labels.array
    assert differs.mean() < 0.001  # where two classes are as likely, to the last digit
    assert read_labels(store).voxel_size == (0.4, 0.1, 0.1)


@pytest.mark.parametrize("size", [(0.2, 0.2, 0.3), (0.4, 0.05, 0.1)])
def test_what_a_rescaled_block_needs_is_read_ahead(tmp_path, size):
    """Nothing is read while a block is predicted but what was measured at first."""
    array, reads = cells((64, 64, 64)), []

    class Noted:
        shape, dtype = array.shape, array.dtype

        def __getitem__(self, key):
            reads.append((threading.current_thread().name, key))
            return array[key]

    image = Image(Noted(), "ZYX", (0.2, 0.1, 0.1))
    model = tiny_model(3, voxel_size=size)
    blocks = VolumeConfig(block_size=(32, 32, 32))
    predicted(tmp_path / "a.zarr", model, image, RESCALED, blocks)
    names = [name for name, _ in reads]
    assert sum(name.startswith("read ahead") for name in names) == 8
    first = names.index(next(n for n in names if n.startswith("read ahead")))
    assert all(name.startswith("read ahead") for name in names[first:])


def test_rescaling_and_voxel_sizes_must_match_to_go_on(tmp_path):
    model = tiny_model(3, voxel_size=(0.4, 0.2, 0.2))
    store = tmp_path / "a.zarr"
    predicted(store, model, config=RESCALED)
    predicted(store, model, config=RESCALED)
    with pytest.raises(OutputError, match="made with other settings"):
        predicted(store, model, config=MAPS)
    other = Image(VOLUME.array, "ZYX", (0.4, 0.15, 0.1), name="cells")
    with pytest.raises(OutputError, match="made with other settings"):
        predicted(store, model, other, RESCALED)


def test_a_result_of_an_older_release_is_known_again(tmp_path):
    """Which did not know of rescaling, and so wrote nothing of it."""
    store = tmp_path / "a.zarr"
    predicted(store, config=MAPS)
    text = "".join(path.read_text() for path in store.parent.rglob("*.json"))
    assert "uncertainty" in text
    assert "rescale" not in text
    model = replace(MODEL, spec=replace(MODEL.spec, voxel_size=VOLUME.voxel_size))
    predicted(store, model, config=RESCALED)  # where there is nothing to rescale


def test_rescaling_of_an_unknown_voxel_size(tmp_path):
    with pytest.raises(ConfigError, match="does not know the voxel size"):
        predicted(tmp_path / "a.zarr", config=RESCALED)
    assert not list(tmp_path.iterdir())


def test_rescaled_objects_and_decisions_as_in_one_piece(tmp_path):
    sizes = (0.4, 0.2, 0.2)
    decision = Decision((0.3, 0.4, 0.3), (1, 3, 3), (0, 3, 3))
    model = tiny_model(3, decision=decision, voxel_size=sizes)
    predicted(tmp_path / "a.zarr", model, config=RESCALED)
    expected = whole(model, config=RESCALED).labels.array
    assert (labels_of(tmp_path / "a.zarr") != expected).mean() < 0.001
    objects = {"classes": class_table(0, 1, is_objects=True), "seed": 4}
    model = tiny_model(3, voxel_size=sizes, **objects)
    config = CPU.model_copy(update={"rescale": True})
    predicted(tmp_path / "b.zarr", model, config=config)
    expected = whole(model, config=config).labels.array
    assert expected.max() > 1
    assert same_partition(labels_of(tmp_path / "b.zarr"), expected)
