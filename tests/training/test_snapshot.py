import numpy as np
import pytest
import tifffile
import zarr
from tests.training.running import assert_same_run
from tests.training.tasks import disks, make_config

from napari_segtrain import load_model
from napari_segtrain.config import DataConfig
from napari_segtrain.control import RunControl
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample, open_dataset
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training.events import IterationEnd
from napari_segtrain.training.snapshot import read_snapshot, write_snapshot
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run


@pytest.fixture
def files(tmp_path):
    for kind in ("image", "label"):
        (tmp_path / kind).mkdir()
    for seed in range(4):
        image, labels = disks((64, 64), seed)
        tifffile.imwrite(tmp_path / "image" / f"{seed}.tif", image)
        tifffile.imwrite(tmp_path / "label" / f"{seed}.tif", labels)
    return tmp_path


def open_files(folder):
    config = DataConfig(images=folder / "image", labels=folder / "label")
    return open_dataset(config).dataset


def used(dataset):
    return [(True,) * pair.shape[0] for pair in dataset.pairs()]


def read_all(dataset):
    return [(pair.image.read(), pair.labels.read()) for pair in dataset.pairs()]


def test_files_are_referenced_and_labels_copied(files, tmp_path):
    dataset = open_files(files)
    write_snapshot(tmp_path / "snapshot", dataset, used(dataset), 0)
    before = read_all(dataset)
    for path in (files / "label").iterdir():
        path.unlink()
    after = read_all(read_snapshot(tmp_path / "snapshot"))
    for (image, labels), (image_2, labels_2) in zip(before, after, strict=True):
        np.testing.assert_array_equal(image, image_2)
        np.testing.assert_array_equal(labels, labels_2)
    assert not list((tmp_path / "snapshot").glob("image*"))


def test_a_changed_or_missing_image_is_named(files, tmp_path):
    dataset = open_files(files)
    write_snapshot(tmp_path / "snapshot", dataset, used(dataset), 0)
    path = files / "image/2.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8))
    with pytest.raises(DataError, match=r"2\.tif has changed"):
        read_snapshot(tmp_path / "snapshot")
    path.unlink()
    with pytest.raises(DataError, match=r"2\.tif.* not there"):
        read_snapshot(tmp_path / "snapshot")


def test_arrays_in_memory_are_copied_where_they_are_used(tmp_path):
    image, labels = disks((20, 48, 48), 0)
    labels[:, 0, 0] = 3
    sample = make_sample(Image(image, "ZYX"), LabelImage(labels, "ZYX"))
    dataset = Dataset((sample,))
    slices = [tuple(z in {4, 5} for z in range(20))]
    write_snapshot(tmp_path / "snapshot", dataset, slices, 1)
    [(image_2, labels_2)] = read_all(read_snapshot(tmp_path / "snapshot"))
    np.testing.assert_array_equal(image_2[0, 3:7], image[3:7])
    assert not image_2[0, 10:].any()
    np.testing.assert_array_equal(labels_2[0, 4:6], labels[4:6])


def test_arrays_in_memory_stay_as_they_are(tmp_path):
    image, labels = disks((12, 48, 48), 0)
    before = image.copy(), labels.copy()
    dataset = Dataset((make_sample(Image(image, "ZYX"), LabelImage(labels, "ZYX")),))
    slices = [tuple(z == 4 for z in range(12))]
    write_snapshot(tmp_path / "snapshot", dataset, slices, 1)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("axes", ["TYX", "YXT", "TCYX", "CTZYX"])
def test_any_order_of_axes_comes_back(tmp_path, axes):
    rng = np.random.default_rng(0)
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 10, "X": 12}
    image = rng.integers(0, 1000, [sizes[a] for a in axes]).astype(np.uint16)
    letters = axes.replace("C", "")
    labels = rng.integers(0, 3, [sizes[a] for a in letters]).astype(np.int32)
    dataset = Dataset((make_sample(Image(image, axes), LabelImage(labels, letters)),))
    write_snapshot(tmp_path / "snapshot", dataset, used(dataset), 0)
    back = read_snapshot(tmp_path / "snapshot")
    for (a, b), (c, d) in zip(read_all(dataset), read_all(back), strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_empty_chunks_take_no_room(tmp_path):
    labels = np.zeros((4, 2048, 2048), np.uint8)
    labels[1, 100:200, 100:200] = 1
    image = zarr.create_array(
        str(tmp_path / "image.zarr"),
        shape=labels.shape,
        dtype="u1",
        chunks=(1, 512, 512),
    )
    dataset = Dataset((make_sample(Image(image, "ZYX"), LabelImage(labels, "ZYX")),))
    write_snapshot(tmp_path / "snapshot", dataset, used(dataset), 0)
    chunks = list((tmp_path / "snapshot/labels-0000.zarr").rglob("c/*/*/*"))
    assert len(chunks) == 1


def test_painting_on_changes_nothing_in_a_run(tmp_path):
    config = make_config(training={"length": {"kind": "iterations", "iterations": 12}})

    def make(labels):
        image = disks((96, 96), 0)[0]
        return Dataset((make_sample(Image(image, "YX"), LabelImage(labels, "YX")),))

    labels = disks((96, 96), 0)[1]
    run(iter_training_run(make(labels.copy()), config, tmp_path / "quiet"))
    painted = labels.copy()
    for event in iter_training_run(make(painted), config, tmp_path / "painted"):
        if isinstance(event, IterationEnd):
            painted[:] = 1 - labels
    assert (painted != labels).any()
    assert_same_run(tmp_path / "quiet", tmp_path / "painted")


def test_a_run_on_arrays_can_be_resumed_without_them(tmp_path):
    image, labels = disks((96, 96), 0)
    dataset = Dataset((make_sample(Image(image, "YX"), LabelImage(labels, "YX")),))
    config = make_config(training={"length": {"kind": "iterations", "iterations": 12}})
    control = RunControl()

    def stop_soon(event):
        if isinstance(event, IterationEnd):
            control.stop()

    work = iter_training_run(dataset, config, tmp_path / "run", control=control)
    assert not run(work, stop_soon).is_complete
    image[:] = 0
    labels[:] = 0
    assert run(iter_resumed_run(tmp_path / "run")).is_complete
    assert load_model(tmp_path / "run").spec.dims == 2
