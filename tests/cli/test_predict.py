"""``segtrain predict``: one label file per image, with the image's metadata."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from tests.cli.helpers import SMALL, VALUES, disks, iou
from tests.io.helpers import write_ome_zarr

from napari_segtrain import load_model, read_image, read_labels


def segment(segtrain, model: Path, images: Path, output: Path, *options) -> list[str]:
    said = segtrain("predict", model, images, "--output", output, *options)
    assert (said.code, said.err) == (0, "")
    return said.lines


def test_a_folder(segtrain, data: Path, trained: Path, tmp_path: Path) -> None:
    lines = segment(segtrain, trained, data / "test/image", tmp_path / "out")
    done = [line.split(" -> ")[0] for line in lines if " -> " in line]
    assert done == ["cell_d", "cell_e"]
    written = sorted((tmp_path / "out").glob("*.tif"))
    assert [path.name for path in written] == ["cell_d.tif", "cell_e.tif"]
    for path in written:
        labels = tifffile.imread(path)
        truth = tifffile.imread(data / "test/label" / path.name)
        assert labels.shape == truth.shape
        assert set(np.unique(labels)) <= set(VALUES)
        assert iou(truth, labels, 100) > 0.7
        assert iou(truth, labels, 255) > 0.7
        classes = read_labels(path).classes
        assert classes.names == ("background", "gray", "class 255")


def test_a_file_and_each_form_of_a_model(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    image = data / "test/image/cell_d.tif"
    zipped = shutil.make_archive(str(tmp_path / "model"), "zip", trained / "model")
    best = trained / "checkpoints/best.safetensors"
    forms = (trained, trained / "model", Path(zipped), best)
    for number, model in enumerate(forms):
        segment(segtrain, model, image, tmp_path / str(number))
    run, bundle, archive, checkpoint = (
        tifffile.imread(tmp_path / str(n) / "cell_d.tif") for n in range(len(forms))
    )
    assert np.array_equal(run, bundle)
    assert np.array_equal(run, archive)
    assert (run == checkpoint).mean() > 0.95


def test_probabilities(segtrain, data: Path, trained: Path, tmp_path: Path) -> None:
    image = data / "test/image/cell_d.tif"
    segment(segtrain, trained, image, tmp_path / "a", "--probabilities")
    maps = read_image(tmp_path / "a/probabilities/cell_d.tif")
    assert (maps.axes, maps.array.shape) == ("CYX", (3, 80, 70))
    assert maps.channel_names == ("background", "gray", "class 255")
    assert maps.array.dtype == np.uint8
    labels = tifffile.imread(tmp_path / "a/cell_d.tif")
    best = np.array(VALUES)[np.argmax(maps.array[:], axis=0)]
    assert (best == labels).mean() > 0.99
    options = ("--probabilities", "--probability-type", "float32")
    segment(segtrain, trained, image, tmp_path / "b", *options)
    exact = read_image(tmp_path / "b/probabilities/cell_d.tif").array[:]
    assert exact.dtype == np.float32
    assert np.allclose(exact.sum(0), 1, atol=1e-5)
    assert np.abs(exact - maps.array[:] / 255).max() < 0.01


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    image, _ = disks((5, 60, 50), 0)
    path = tmp_path / "volume.ome.tif"
    sizes = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    units = {f"{name}Unit": "µm" for name in sizes}
    tifffile.imwrite(path, image, metadata={"axes": "ZYX", **sizes, **units})
    return path


def test_several_models_and_their_uncertainty(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    image, last = data / "test/image/cell_d.tif", trained / "checkpoints/latest"
    segment(
        segtrain, trained, image, tmp_path / "a", "--also", f"{last}.safetensors",
        "--set", "uncertainty=agreement", "--set", "weights=[3, 1]",
    )  # fmt: skip
    labels = tifffile.imread(tmp_path / "a/cell_d.tif")
    agreement = tifffile.imread(tmp_path / "a/agreement/cell_d.tif")
    assert agreement.shape == labels.shape
    assert set(np.unique(agreement)) <= {0.75, 1.0}
    said = segtrain(
        "predict", trained, image, "--output", tmp_path / "b",
        "--set", "uncertainty=deviation",
    )  # fmt: skip
    assert said.code != 0
    assert "no deviation of a single prediction" in said.err
    said = segtrain(
        "predict", trained, image, "--output", tmp_path / "a",
        "--also", trained, "--set", "uncertainty=agreement",
    )  # fmt: skip
    assert said.code != 0
    assert "exists already" in said.err


def test_metadata_are_kept(
    segtrain, trained: Path, volume: Path, tmp_path: Path
) -> None:
    segment(segtrain, trained, volume, tmp_path / "out", "--probabilities")
    labels = read_labels(tmp_path / "out/volume.ome.tif")
    assert labels.axes == "ZYX"
    assert labels.array.shape == (5, 60, 50)
    assert labels.voxel_size == (2.0, 0.5, 0.25)
    maps = read_image(tmp_path / "out/probabilities/volume.ome.tif")
    assert maps.axes in {"CZYX", "ZCYX"}
    assert maps.voxel_size == (2.0, 0.5, 0.25)


def test_slices(segtrain, trained: Path, volume: Path, tmp_path: Path) -> None:
    segment(segtrain, trained, volume, tmp_path / "whole")
    segment(segtrain, trained, volume, tmp_path / "part", "--slices", "1:3")
    segment(segtrain, trained, volume, tmp_path / "one", "--slices", "4")
    whole, part, one = (
        tifffile.imread(tmp_path / name / "volume.ome.tif")
        for name in ("whole", "part", "one")
    )
    assert np.array_equal(part, whole[1:3])
    assert np.array_equal(one.reshape(60, 50), whole[4])


def test_time_points(segtrain, trained: Path, tmp_path: Path) -> None:
    images = np.stack([disks((60, 50), seed)[0] for seed in range(3)])
    tifffile.imwrite(tmp_path / "named.ome.tif", images, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "plain.tif", images, photometric="minisblack")
    segment(segtrain, trained, tmp_path / "named.ome.tif", tmp_path / "out")
    axes = ("--axes", "TYX")
    segment(segtrain, trained, tmp_path / "plain.tif", tmp_path / "out", *axes)
    first, second = (
        read_labels(tmp_path / "out" / name) for name in ("named.ome.tif", "plain.tif")
    )
    assert first.axes == second.axes == "TYX"
    assert np.array_equal(first.array[:], second.array[:])


def test_time_points_are_trained_on_as_images(segtrain, tmp_path: Path) -> None:
    pairs = [disks((48, 48), seed) for seed in range(4)]
    for name, part in (("image", 0), ("label", 1)):
        series = np.stack([pair[part] for pair in pairs])
        tifffile.imwrite(tmp_path / f"{name}.tif", series, photometric="minisblack")
    given = ("--images", tmp_path / "image.tif", "--labels", tmp_path / "label.tif")
    options = ("--axes", "TYX", "--iterations", 2, "--output", tmp_path / "run")
    said = segtrain("train", *given, *options, *SMALL)
    assert said.code == 0
    assert said.lines[0].startswith("data: 4 images, 1 channel")
    assert load_model(tmp_path / "run").spec.dims == 2
    axes = ("--axes", "TYX")
    out = tmp_path / "out"
    segment(segtrain, tmp_path / "run", tmp_path / "image.tif", out, *axes)
    assert read_labels(out / "image.tif").axes == "TYX"


def test_stores_and_pictures(segtrain, trained: Path, tmp_path: Path) -> None:
    image, _ = disks((4, 48, 48), 1)
    folder = tmp_path / "images"
    folder.mkdir()
    write_ome_zarr(folder / "a.b.ome.zarr", image, "ZYX", (3.0, 1.0, 1.0))
    PIL.Image.fromarray(image[0]).save(folder / "c.png")
    segment(segtrain, trained, folder, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").glob("[a-z]*")}
    assert names == {"a.b.tif", "c.tif", "summary.csv"}
    labels = read_labels(tmp_path / "out/a.b.tif")
    assert labels.voxel_size == (3.0, 1.0, 1.0)
    assert labels.array.shape == (4, 48, 48)
    one = folder / "a.b.ome.zarr"
    segment(segtrain, trained, one, tmp_path / "again")
    assert np.array_equal(
        tifffile.imread(tmp_path / "again/a.b.tif"),
        tifffile.imread(tmp_path / "out/a.b.tif"),
    )


def test_a_stack(segtrain, trained: Path, tmp_path: Path) -> None:
    image, _ = disks((3, 48, 48), 1)
    folder = tmp_path / "slices.v1"
    folder.mkdir()
    for z, plane in enumerate(image):
        PIL.Image.fromarray(plane).save(folder / f"{z}.png")
    segment(segtrain, trained, folder, tmp_path / "out", "--stack")
    (written,) = (tmp_path / "out").glob("[a-z]*")
    assert written.name == "slices.v1.tif"
    assert tifffile.imread(written).shape == image.shape


def test_settings_of_the_prediction(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    image = data / "test/image/cell_d.tif"
    segment(segtrain, trained, image, tmp_path / "whole")
    tiles = ("--set", "tile_size=[1,64,64]", "--set", "batch_size=1")
    segment(segtrain, trained, image, tmp_path / "tiles", *tiles)
    whole, tiled = (
        tifffile.imread(tmp_path / name / "cell_d.tif") for name in ("whole", "tiles")
    )
    assert (whole == tiled).mean() > 0.999


def test_overwrite(segtrain, data: Path, trained: Path, tmp_path: Path) -> None:
    given = (trained, data / "test/image/cell_d.tif", tmp_path)
    segment(segtrain, *given)
    (tmp_path / "cell_d.tif").write_bytes(b"old")
    assert segtrain("predict", *given[:2], "--output", tmp_path).code == 7
    assert (tmp_path / "cell_d.tif").read_bytes() == b"old"
    segment(segtrain, *given, "--overwrite")
    assert tifffile.imread(tmp_path / "cell_d.tif").shape == (80, 70)


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels",
    [
        lambda labels: labels > 0,
        lambda labels: labels.astype(np.float32),
        lambda labels: labels.astype(np.int64),
        lambda labels: labels.astype(np.uint32) * 1000,
        lambda labels: np.where(labels == 100, -1, labels).astype(np.int16),
    ],
    ids=["bool", "float", "int64", "uint32", "negative"],
)
def test_labels_of_any_type(segtrain, tmp_path: Path, labels) -> None:
    image, plain = disks((64, 64), 0)
    truth = labels(plain)
    tifffile.imwrite(tmp_path / "image.tif", image)
    path = tmp_path / ("label.npy" if truth.dtype == bool else "label.tif")
    np.save(path, truth) if truth.dtype == bool else tifffile.imwrite(path, truth)
    given = ("--images", tmp_path / "image.tif", "--labels", path)
    length = ("--iterations", 40, "--validation", "none")
    run, out = tmp_path / "run", tmp_path / "out"
    assert segtrain("train", *given, "--output", run, *SMALL, *length).code == 0
    segment(segtrain, run, tmp_path / "image.tif", out)
    found = tifffile.imread(out / "image.tif")
    assert set(np.unique(found)) <= set(np.unique(truth).tolist())
    assert (found == truth).mean() > 0.9


def test_an_image_that_is_unlike_the_training_is_remarked_once(
    segtrain, data: Path, trained: Path, tmp_path: Path
) -> None:
    array = tifffile.imread(data / "test/image/cell_d.tif")
    tifffile.imwrite(tmp_path / "dark.tif", array.max() - array)
    lines = segment(segtrain, trained, tmp_path / "dark.tif", tmp_path / "out")
    remarked, written = lines
    assert remarked.startswith("warning: The intensities of dark are unlike those")
    assert written.startswith("dark -> ")
