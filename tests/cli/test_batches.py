"""``segtrain predict`` for many images: what is skipped, what fails, what is told."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import psutil
import pytest
import tifffile
from tests.cli.helpers import disks

from napari_segtrain import read_labels
from napari_segtrain.cli import file_job
from napari_segtrain.io import read_stack
from napari_segtrain.workflows.overlays import N_SLICES

NAMES = ("a", "b", "c")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Folder of three images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        tifffile.imwrite(folder / f"{name}.tif", disks((40, 50), number)[0])
    return folder


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Twelve slices."""
    path = tmp_path / "volume.ome.tif"
    tifffile.imwrite(path, disks((12, 40, 50), 5)[0], metadata={"axes": "ZYX"})
    return path


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the images that are predicted, in order."""
    names: list[str] = []
    predict = file_job.iter_prediction

    def noted(models, image, *arguments, **options):
        names.append(image.name)
        return predict(models, image, *arguments, **options)

    monkeypatch.setattr(file_job, "iter_prediction", noted)
    return names


def summary(output: Path) -> dict[str, dict[str, str]]:
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def states(output: Path) -> dict[str, str]:
    return {name: row["state"] for name, row in summary(output).items()}


def written(output: Path) -> set[str]:
    """What a person sees of a folder of results."""
    files = (path for path in output.rglob("*") if path.is_file())
    names = (path.relative_to(output).as_posix() for path in files)
    return {name for name in names if not name.startswith(".")}


def test_several_paths_and_patterns(
    segtrain, trained: Path, images: Path, tmp_path: Path, predicted: list[str]
) -> None:
    out = tmp_path / "out"
    given = (images / "c.tif", images / "[ab].tif", images / "a.tif")
    said = segtrain("predict", trained, *given, "-o", out)
    assert (said.code, said.err) == (0, "")
    assert predicted == ["c", "a", "b"]
    assert written(out) == {"a.tif", "b.tif", "c.tif", "summary.csv"}


def test_a_pattern_keeps_folders_and_leaves_results_out(
    segtrain, trained: Path, images: Path, predicted: list[str]
) -> None:
    for name in ("one", "two"):
        (images / name).mkdir()
        shutil.copy(images / "a.tif", images / name / "raw.tif")
    given = (images / "**/raw.tif", "-o", images / "out", "--probabilities")
    assert segtrain("predict", trained, *given).code == 0
    results = {"one/raw.tif", "two/raw.tif"}
    maps = {f"{Path(name).parent}/probabilities/raw.tif" for name in results}
    found = {name for name in written(images / "out") if ".segtrain" not in name}
    assert found == {*results, *maps, "summary.csv"}
    assert len(predicted) == 2
    assert segtrain("predict", trained, *given).code == 0
    assert len(predicted) == 2


def test_what_is_done_is_skipped(
    segtrain, trained: Path, images: Path, tmp_path: Path, predicted: list[str]
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, images, "-o", out)
    assert segtrain(*command).code == 0
    first = summary(out)
    again = segtrain(*command, "--device", "cpu")
    assert again.code == 0
    assert "a -> " in again.out
    assert again.out.count("(done before)") == 3
    assert predicted == list(NAMES)
    assert states(out) == dict.fromkeys(NAMES, "skipped")
    for name, row in summary(out).items():  # the numbers are those of the first run
        assert {**row, "state": "done"} == first[name]
    shutil.copytree(trained, tmp_path / "copy")
    moved = ("predict", tmp_path / "copy", images, "-o", out)
    assert segtrain(*moved).code == 0
    assert predicted == list(NAMES)


def test_what_was_made_otherwise_is_refused_before_the_first_image(
    segtrain, trained: Path, images: Path, tmp_path: Path, predicted: list[str]
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, images, "-o", out)
    one = ("predict", trained, images / "c.tif", "-o", out)
    assert segtrain(*one, "--set", "orientations=2").code == 0
    said = segtrain(*command)
    assert said.code == 7
    assert "c.tif exists already and was made with other settings" in said.err
    assert "--overwrite" in said.err
    assert written(out) == {"c.tif"}
    assert segtrain(*command, "--overwrite").code == 0
    assert segtrain(*command, "--overwrite").code == 0  # nothing is different now
    assert predicted == ["c", "a", "b", "c"]


def test_changes_of_an_image_or_a_result_are_seen(
    segtrain, trained: Path, images: Path, tmp_path: Path, predicted: list[str]
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, images, "-o", out)
    assert segtrain(*command).code == 0
    tifffile.imwrite(images / "b.tif", disks((40, 50), 9)[0])
    said = segtrain(*command)
    assert (said.code, "b.tif" in said.err) == (7, True)
    assert "made with another image" in said.err
    assert segtrain(*command, "--overwrite").code == 0
    assert predicted[3:] == ["b"]
    labels = tifffile.imread(out / "c.tif")
    labels[:5] = 255
    tifffile.imwrite(out / "c.tif", labels)
    said = segtrain(*command)
    assert said.code == 7
    assert "c.tif was changed after it was made" in said.err
    assert np.array_equal(tifffile.imread(out / "c.tif"), labels)
    (out / "a.tif").unlink()
    assert segtrain("predict", trained, images / "a.tif", "-o", out).code == 0
    assert predicted[4:] == ["a"]


def failing_at(
    name: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = file_job.iter_prediction

    def acting(models, image, *arguments, **options) -> Iterator[object]:
        if image.name == name:
            act()
        return (yield from predict(models, image, *arguments, **options))

    monkeypatch.setattr(file_job, "iter_prediction", acting)


def divide() -> None:
    raise ZeroDivisionError("one by none")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def leave_at_once() -> None:
    raise KeyboardInterrupt


def test_a_bad_image_does_not_end_the_others(
    segtrain, trained: Path, images: Path, tmp_path: Path, predicted: list[str]
) -> None:
    out = tmp_path / "out"
    good = tifffile.imread(images / "b.tif").astype(np.float32)
    bad = good.copy()
    bad[3, 4] = np.nan
    tifffile.imwrite(images / "b.tif", bad)
    said = segtrain("predict", trained, images, "-o", out)
    assert said.code == 3
    assert said.err.count("NaN") == 2  # when it happens, and at the end
    assert "segtrain: 1 of 3 images failed, b first: " in said.err
    assert states(out) == {"a": "done", "b": "failed", "c": "done"}
    assert "NaN" in summary(out)["b"]["error"]
    assert written(out) == {"a.tif", "c.tif", "summary.csv"}
    tifffile.imwrite(images / "b.tif", good)
    assert segtrain("predict", trained, images, "-o", out).code == 0
    assert states(out) == {"a": "skipped", "b": "done", "c": "skipped"}
    assert predicted == ["a", "b", "c", "b"]


def test_a_defect_does_not_end_the_others(
    segtrain, trained: Path, images: Path, tmp_path: Path, monkeypatch
) -> None:
    failing_at("a", divide, monkeypatch)
    said = segtrain("predict", trained, images, "-o", tmp_path)
    assert said.code == 1
    assert "ZeroDivisionError: one by none" in said.err
    assert "Traceback" in said.err  # to be reported
    assert states(tmp_path) == {"a": "failed", "b": "done", "c": "done"}


@pytest.mark.parametrize("act", [interrupt, leave_at_once])
def test_a_stopped_batch_goes_on(
    segtrain, trained: Path, images: Path, tmp_path: Path, monkeypatch, act
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, images, "-o", out)
    with monkeypatch.context() as patch:
        failing_at("b", act, patch)
        said = segtrain(*command)
    assert said.code == 130
    if act is interrupt:
        assert "stopped after 1 of 3 images; the same command goes on" in said.out
        assert states(out) == {"a": "done"}
    assert (out / "a.tif").exists()
    assert not (out / "b.tif").exists()
    assert segtrain(*command).code == 0
    assert states(out) == {"a": "skipped", "b": "done", "c": "done"}


def test_a_process_that_died_while_writing(
    segtrain, trained: Path, images: Path, tmp_path: Path, monkeypatch
) -> None:
    """Labels are there, maps are not, and no note says that all is complete."""
    command = ("predict", trained, images / "a.tif", "-o", tmp_path, "--probabilities")
    with monkeypatch.context() as patch:

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(file_job, "write_probabilities", die)
        assert segtrain(*command).code == 130
    assert (tmp_path / "a.tif").exists()
    assert segtrain(*command).code == 0
    assert (tmp_path / "probabilities/a.tif").exists()
    assert "(done before)" in segtrain(*command).out


def test_another_process_was_faster(
    segtrain, trained: Path, images: Path, tmp_path: Path, monkeypatch
) -> None:
    """What it made of something else is not replaced, and the others are done."""
    command = ("predict", trained, images, "-o", tmp_path / "out")
    other = ("predict", trained, images / "b.tif", "-o", tmp_path / "out")

    def overtake() -> None:
        monkeypatch.undo()
        assert segtrain(*other, "--set", "orientations=2").code == 0

    failing_at("b", overtake, monkeypatch)
    said = segtrain(*command)
    assert said.code == 7
    assert "b.tif exists already and was made with other settings" in said.err
    assert states(tmp_path / "out") == {"a": "done", "b": "failed", "c": "done"}
    assert "(done before)" in segtrain(*other, "--set", "orientations=2").out


def test_the_summary(segtrain, trained: Path, images: Path, tmp_path: Path) -> None:
    said = segtrain("predict", trained, images, "-o", tmp_path)
    title = next(line for line in said.lines if line.startswith("image"))
    assert title.split("  ")[-1].strip() == "share class 255"
    assert said.lines[-1] == f"wrote {tmp_path / 'summary.csv'}"
    for name, row in summary(tmp_path).items():
        labels = tifffile.imread(tmp_path / f"{name}.tif")
        shares = [row["share_background"], row["share_gray"], row["share_class 255"]]
        expected = [(labels == value).mean() for value in (0, 100, 255)]
        assert np.allclose([float(share) for share in shares], expected)
        assert Path(row["output"]) == tmp_path / f"{name}.tif"
        assert float(row["seconds"]) > 0
        assert (row["state"], row["error"]) == ("done", "")


def test_one_image_has_no_summary(
    segtrain, trained: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert segtrain("predict", trained, images / "a.tif", "-o", out).code == 0
    assert written(out) == {"a.tif"}


def test_pictures(segtrain, trained: Path, images: Path, tmp_path: Path) -> None:
    tiff, png = tmp_path / "tiff", tmp_path / "png"
    assert segtrain("predict", trained, images, "-o", tiff).code == 0
    command = ("predict", trained, images, "-o", png, "--format", "png")
    assert segtrain(*command, "--probabilities").code == 0
    maps = {f"probabilities/{name}.tif" for name in NAMES}
    assert written(png) == {*(f"{name}.png" for name in NAMES), *maps, "summary.csv"}
    for name in NAMES:
        with PIL.Image.open(png / f"{name}.png") as picture:
            assert picture.mode == "L"
            values = np.asarray(picture)
        assert np.array_equal(values, tifffile.imread(tiff / f"{name}.tif"))


def test_pictures_of_a_volume(
    segtrain, trained: Path, volume: Path, tmp_path: Path, predicted: list[str]
) -> None:
    assert segtrain("predict", trained, volume, "-o", tmp_path / "tiff").code == 0
    png = tmp_path / "png"
    command = ("predict", trained, volume, "-o", png, "--format", "png", "--overlays")
    assert segtrain(*command, "--slices", "3:11").code == 0
    names = sorted(path.name for path in (png / "volume").iterdir())
    assert (names[0], names[-1]) == ("volume_0003.png", "volume_0010.png")
    labels = read_stack(png / "volume", labels=True).array[:]
    whole = tifffile.imread(tmp_path / "tiff/volume.ome.tif")
    assert np.array_equal(labels, whole[3:11])
    assert segtrain(*command, "--slices", "3:11").code == 0
    assert len(predicted) == 2
    said = segtrain(*command, "--slices", "2:11")
    assert "made with another image" not in said.err
    assert "made with other slices" in said.err
    # the stack serves as an image again
    again = ("predict", trained, png / "volume", "--stack", "-o", tmp_path / "again")
    assert segtrain(*again).code == 0
    assert tifffile.imread(tmp_path / "again/volume.tif").shape == (8, 40, 50)


def test_the_help_tells_how_many_slices_are_shown(segtrain) -> None:
    words = " ".join(segtrain("predict", "--help").out.split())
    assert f"of stacks one for each of {N_SLICES} slices" in words


def test_overlays(
    segtrain, trained: Path, images: Path, volume: Path, tmp_path, predicted
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, images, volume, "-o", out)
    assert segtrain(*command).code == 0
    labels = (out / "a.tif").read_bytes()
    said = segtrain(*command, "--overlays")
    assert said.code == 0
    assert said.out.count("(done before, overlays drawn)") == 4
    assert len(predicted) == 4  # they are drawn from what is there
    assert (out / "a.tif").read_bytes() == labels
    found = {path.name for path in (out / "overlays").iterdir()}
    slices = {name for name in found if name.startswith("volume_z")}
    assert found - slices == {"a.png", "b.png", "c.png"}
    assert len(slices) == 8
    with PIL.Image.open(out / "overlays/a.png") as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 24)}
    classes = read_labels(out / "a.tif").classes
    assert classes is not None
    for row in classes.classes[1:]:
        assert tuple(bytes.fromhex(row.color[1:])) in colors  # at least in the key
    assert segtrain(*command, "--overlays").out.count("(done before)") == 4
    (out / "overlays/a.png").write_bytes(b"mine")
    said = segtrain(*command, "--overlays")
    assert (said.code, "overlays" in said.err) == (7, True)
    assert segtrain(*command).code == 0  # without overlays, they do not matter


def test_a_store_for_each_image(
    segtrain, trained: Path, images: Path, volume: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, images, volume, "-o", out, "--format", "zarr")
    said = segtrain(*command, "--overlays")
    assert (said.code, said.err) == (0, "")
    stores = {path.name for path in out.glob("*.zarr")}
    assert stores == {f"{name}.ome.zarr" for name in (*NAMES, "volume")}
    first = summary(out)
    assert states(out) == dict.fromkeys((*NAMES, "volume"), "done")
    labels = read_labels(out / "volume.ome.zarr").array[:]
    share = float(first["volume"]["share_class 255"])
    assert share == pytest.approx((labels == 255).mean())
    assert len(list((out / "overlays").iterdir())) == 3 + 8
    times = {path: path.stat().st_mtime_ns for path in out.rglob("c/0/*")}
    shutil.rmtree(out / "b.ome.zarr")
    assert segtrain(*command, "--overlays").code == 0
    assert states(out) == {
        "a": "skipped", "b": "done", "c": "skipped", "volume": "skipped"
    }  # fmt: skip
    assert summary(out)["a"]["share_gray"] == first["a"]["share_gray"]
    kept = {path: time for path, time in times.items() if "b.ome" not in str(path)}
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_stores_are_checked_before_the_first_image(
    segtrain, trained: Path, images: Path, tmp_path: Path
) -> None:
    stores = ("-o", tmp_path / "out", "--format", "zarr")
    one = ("predict", trained, images / "c.tif", *stores)
    assert segtrain(*one, "--set", "orientations=2").code == 0
    said = segtrain("predict", trained, images, *stores)
    assert said.code == 7
    assert "c.ome.zarr was made with other settings" in said.err
    assert not (tmp_path / "out/a.ome.zarr").exists()
    every = ("predict", trained, images, *stores, "--overwrite")
    assert segtrain(*every).code == 0
    assert segtrain(*every).out.count("complete already") == 3
    (tmp_path / "out/d.ome.zarr").mkdir()
    shutil.copy(images / "a.tif", images / "d.tif")
    said = segtrain("predict", trained, images, *stores, "--overwrite")
    assert (said.code, "is no result of this program" in said.err) == (7, True)


def test_a_store_by_its_name(
    segtrain, trained: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.ome.zarr"
    assert segtrain("predict", trained, images / "a.tif", "-o", out).code == 0
    assert (out / "segtrain.json").is_file()
    assert read_labels(out).array.shape == (40, 50)
    assert {path.name for path in tmp_path.iterdir()} == {"images", "mine.ome.zarr"}
    said = segtrain("predict", trained, images / "a.tif", "-o", out)
    assert "complete already" in said.out


def test_only_large_images_become_stores(
    segtrain, trained: Path, images: Path, volume: Path, tmp_path: Path, monkeypatch
) -> None:
    memory = psutil.virtual_memory()._replace(total=200_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    out = tmp_path / "out"
    assert segtrain("predict", trained, images / "a.tif", volume, "-o", out).code == 0
    names = {path.name for path in out.glob("[a-z]*")}
    assert names == {"a.tif", "volume.ome.zarr", "summary.csv"}


def test_a_store_that_fails_does_not_end_the_others(
    segtrain, trained: Path, images: Path, tmp_path: Path
) -> None:
    bad = tifffile.imread(images / "a.tif").astype(np.float32)
    bad[3, 4] = np.inf
    tifffile.imwrite(images / "a.tif", bad)
    out = tmp_path / "out"
    said = segtrain("predict", trained, images, "-o", out, "--format", "zarr")
    assert said.code == 3
    assert states(out) == {"a": "failed", "b": "done", "c": "done"}


def test_parts_leave_no_summary(
    segtrain, trained: Path, images: Path, tmp_path: Path
) -> None:
    blocks = ("--set", "volume.block_size=[1,16,16]")
    command = ("predict", trained, images, "-o", tmp_path / "out", *blocks)
    said = segtrain(*command, "--part", "1/2")
    assert said.code == 0
    assert [line.split()[2] for line in said.lines[-3:]] == ["part"] * 3
    assert segtrain(*command, "--part", "2/2").code == 0
    assert not (tmp_path / "out/summary.csv").exists()
