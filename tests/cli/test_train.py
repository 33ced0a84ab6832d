"""``segtrain train``: what options change, and what a run leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import yaml
from tests.cli.helpers import SMALL, disks, write_set
from tests.io.helpers import write_ome_zarr

from napari_segtrain import load_model
from napari_segtrain.data.samples import sample_dir

QUICK = (*SMALL, "--iterations", 3, "--validation", "none")


def paths(folder: Path) -> tuple[object, ...]:
    return ("--images", folder / "image", "--labels", folder / "label")


def test_a_run_leaves_everything(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {
        "checkpoints", "config.yaml", "curves.png", "environment.json",
        "metrics.jsonl", "model", "plan.json", "snapshot", "thumbnail.png",
    }  # fmt: skip
    assert (trained / "model/weights.safetensors").exists()
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {
        "best.safetensors",
        "latest.safetensors",
    }
    with PIL.Image.open(trained / "curves.png") as curves:
        assert curves.format == "PNG"
    for line in (trained / "metrics.jsonl").read_text().splitlines():
        json.loads(line)


def test_the_model_knows_values_names_and_score(trained: Path) -> None:
    spec = load_model(trained).spec
    assert spec.classes.values == (0, 100, 255)
    assert spec.classes.names == ("background", "gray", "class 255")
    assert spec.scores["IoU"] > 0.7


def test_options_reach_the_run(segtrain, data: Path, tmp_path: Path) -> None:
    said = segtrain(
        "train", *paths(data / "train"), "--output", tmp_path / "run", *SMALL,
        "--iterations", 2, "--seed", 7, "--validation", "cell_b",
        "--voxel-size", "0.5,0.25", "--device", "cpu", "--network", "unet",
        "--set", "training.weight_decay=0.5",
    )  # fmt: skip
    assert said.code == 0
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text("utf-8"))
    assert config["training"]["seed"] == 7
    assert config["training"]["device"] == "cpu"
    assert config["training"]["weight_decay"] == 0.5
    assert config["training"]["length"] == {"kind": "iterations", "iterations": 2}
    assert config["validation"] == {"kind": "by-hand", "names": ["cell_b"]}
    assert "0.5 × 0.25 µm" in said.out
    assert load_model(tmp_path / "run").spec.voxel_size == (0.5, 0.25)


def test_the_same_seed_gives_the_same_model(
    segtrain, data: Path, tmp_path: Path
) -> None:
    def weights(name: str, seed: int) -> bytes:
        output = ("--output", tmp_path / name, "--seed", seed)
        assert segtrain("train", *paths(data / "train"), *output, *QUICK).code == 0
        return (tmp_path / name / "model/weights.safetensors").read_bytes()

    first = weights("a", 1)
    assert weights("b", 1) == first
    assert weights("c", 2) != first


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--time-budget", "90s"], "length: 90 s"),
        (["--time-budget", "1.5m"], "length: 90 s"),
        (["--epochs", 4], "length: 4 epochs of"),
        (["--iterations", 70], "length: 70 iterations"),
        ([], "length: until plateau, at most 10 min"),
        (["--zero", "dense"], "0 is background:"),
        (["--zero", "painted-slices"], "0 is background in slices that hold any label"),
        (["--zero", "unlabelled"], "0 is unlabelled"),
        (["--ignore", "255"], "255 is unlabelled"),
        (["--background", "100"], "classes: 100 background ("),
        (["--background", "100"], "0 is unlabelled"),
        (["--background", "0,255"], "classes: 0 and 255 background ("),
        (["--background", "none"], "classes: 0 class 0 ("),
        (["--classes", "100=gray,255=bright"], "100 gray"),
        (["--target", "instances"], "Most values stand for several pieces"),
        (["--validation", "none"], "Nothing is held out (validation is switched off)"),
        (["--validation", "0.2"], "are held out"),
        (["--validation", "cell_a,cell_c"], "validation: 2 samples chosen by hand"),
        (["--voxel-size", "0.1,0.2"], "voxel size 0.1 × 0.2 µm"),
        (["--dims", "2"], "network: unet 2D"),
        (["--set", "network.depth=1"], "depth 1"),
        (["--set", "network.first_filters=6"], " channels  kernels"),
        (["--set", "sampling.patch_size=[1,40,32]"], "patches: 48 × 32 voxels"),
    ],
)
def test_a_dry_run_shows_the_plan(
    segtrain, data: Path, tmp_path: Path, options, text
) -> None:
    output = ("--output", tmp_path / "run")
    said = segtrain("train", *paths(data / "train"), *output, "--dry-run", *options)
    assert (said.code, said.err) == (0, "")
    assert text in said.out
    assert list(tmp_path.iterdir()) == []


def test_a_config_file_options_and_settings_in_this_order(
    segtrain, data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "experiment.yaml"
    assert segtrain("init", config).code == 0
    text = config.read_text("utf-8")
    assert "seed: 0" in text
    config.write_text(text.replace("seed: 0", "seed: 5"), "utf-8")
    output = ("--output", tmp_path / "run")
    given = (*paths(data / "train"), *output, "--config", config, *SMALL)
    changed = ("--iterations", 3, "--set", "training.length.iterations=2")
    assert segtrain("train", *given, *changed).code == 0
    saved = yaml.safe_load((tmp_path / "run/config.yaml").read_text("utf-8"))
    assert saved["training"]["seed"] == 5
    assert saved["training"]["length"]["iterations"] == 2


def test_paths_in_a_config_file_are_enough(
    segtrain, data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "experiment.yaml"
    paths = {"images": str(data / "train/image"), "labels": str(data / "train/label")}
    config.write_text(yaml.safe_dump({"data": paths}), "utf-8")
    said = segtrain("train", "--config", config, "--dry-run")
    assert said.code == 0
    assert said.out.startswith("data: 3 images, 1 channel, voxel size unknown\n")


def test_strokes_are_recognized(segtrain) -> None:
    axons = sample_dir("axons") / "train"
    given = ("--images", axons / "image", "--labels", axons / "strokes")
    said = segtrain("train", *given, "--dry-run")
    assert "0 is unlabelled" in said.out


def test_object_ids_are_recognized(segtrain) -> None:
    said = segtrain("train", *paths(sample_dir("nuclei") / "train"), "--dry-run")
    assert "The labels number objects" in said.out
    assert "1 foreground" in said.out


def test_single_files(segtrain, data: Path, tmp_path: Path) -> None:
    image = data / "train/image/cell_a.tif"
    labels = tmp_path / "anything.tif"
    labels.write_bytes((data / "train/label/cell_a.tif").read_bytes())
    given = ("--images", image, "--labels", labels, "--output", tmp_path / "run")
    assert segtrain("train", *given, *QUICK).code == 0
    assert load_model(tmp_path / "run").spec.classes.values == (0, 100, 255)


def test_zarr_stores(segtrain, tmp_path: Path) -> None:
    image, labels = disks((6, 48, 48), 0)
    size = (2.0, 0.5, 0.5)
    write_ome_zarr(tmp_path / "image.ome.zarr", image, "ZYX", size)
    write_ome_zarr(tmp_path / "label.ome.zarr", labels, "ZYX", size)
    stores = ("--images", tmp_path / "image.ome.zarr")
    given = (*stores, "--labels", tmp_path / "label.ome.zarr")
    said = segtrain("train", *given, "--output", tmp_path / "run", *QUICK)
    assert said.code == 0
    assert "2 × 0.5 × 0.5 µm" in said.out
    assert load_model(tmp_path / "run").spec.voxel_size == size


def test_a_folder_of_slices_is_a_volume_with_stack(segtrain, tmp_path: Path) -> None:
    image, labels = disks((14, 48, 48), 0)
    for kind, volume in (("image", image), ("label", labels)):
        (tmp_path / kind).mkdir()
        for z, plane in enumerate(volume):
            PIL.Image.fromarray(plane).save(tmp_path / kind / f"slice_{z}.png")
    given = ("train", *paths(tmp_path), "--dry-run")
    assert "3D: a volume of unknown voxel size" in segtrain(*given, "--stack").out
    assert "data: 14 images" in segtrain(*given).out
    refused = segtrain(*given, "--dims", 3)
    assert refused.code == 3
    assert "--stack" in refused.err
    size = ("--voxel-size", "5,1,1")
    plan = segtrain(*given, "--stack", *size).out
    assert "2.5D: slices are 5.0 times thicker than pixels are wide" in plan


def test_a_volume_trains_in_3d(segtrain, tmp_path: Path) -> None:
    write_set(tmp_path, 1, (16, 40, 40))
    options = (
        "--set", "network.depth=1", "--set", "network.first_filters=4",
        "--set", "sampling.patch_size=[8,32,32]", "--set", "sampling.batch_size=2",
        "--iterations", 2, "--dims", 3, "--validation", "none",
    )  # fmt: skip
    said = segtrain("train", *paths(tmp_path), "--output", tmp_path / "run", *options)
    assert said.code == 0
    assert load_model(tmp_path / "run").spec.axes == "CZYX"


def test_files_without_a_partner_are_listed(segtrain, tmp_path: Path) -> None:
    write_set(tmp_path, 3)
    (tmp_path / "label/cell_c.tif").unlink()
    said = segtrain("train", *paths(tmp_path), "--dry-run")
    assert said.code == 0
    assert said.err.startswith("! ")
    assert said.err.count("\n") == 1
    assert "cell_c.tif" in said.err
    assert said.lines[0].startswith("data: 2 images")


def test_channels_have_names(segtrain, tmp_path: Path) -> None:
    image, labels = disks((48, 48), 0)
    two = np.stack([image, 255 - image])
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(
        tmp_path / "a.ome.tif", two, metadata=metadata, photometric="minisblack"
    )
    tifffile.imwrite(tmp_path / "a_label.tif", labels)
    given = ("--images", tmp_path / "a.ome.tif", "--labels", tmp_path / "a_label.tif")
    assert segtrain("train", *given, "--output", tmp_path / "r", *QUICK).code == 0
    said = segtrain("info", tmp_path / "r")
    assert "input: CYX, 2 channels (DAPI, GFP), voxel size unknown" in said.out


def test_continue_from(segtrain, data: Path, trained: Path, tmp_path: Path) -> None:
    given = (*paths(data / "test"), "--output", tmp_path / "run2")
    options = ("--iterations", 2, "--validation", "none", "--continue-from", trained)
    said = segtrain("train", *given, *options)
    assert said.code == 0
    first, second = load_model(trained).spec, load_model(tmp_path / "run2").spec
    assert first.network == second.network
    assert second.provenance["images"] == ["cell_d", "cell_e"]
    dry = segtrain("train", *paths(data / "test"), *options, "--dry-run")
    assert "network: unet 2D, depth 1, 8 first filters" in dry.out


SEGNET = (
    "--network", "segnet", "--set", "network.depth=1", "--set",
    "network.first_filters=4", "--set", "sampling.patch_size=[1,48,48]",
)  # fmt: skip
INSTANCE = (*SMALL, "--set", "network.norm=instance")


@pytest.mark.parametrize(
    ("network", "asked", "words"),
    [
        (SEGNET, ("--network", "unet"), "network.name is unet, but"),
        (INSTANCE, ("--set", "network.norm=batch"), "network.norm is batch, but"),
        (INSTANCE, ("--config", "mine.yaml"), "network.norm is batch, but"),
    ],
)
def test_a_default_that_is_asked_for_contradicts_the_model_to_go_on_from(
    segtrain, data: Path, tmp_path: Path, monkeypatch, network, asked, words
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("network:\n  norm: batch\n", encoding="utf-8")
    given = (*paths(data / "test"), "--iterations", 1, "--validation", "none")
    assert segtrain("train", *given, *network, "--output", "base").code == 0
    on = ("--continue-from", "base", "--dry-run")
    refused = segtrain("train", *given, *on, *asked)
    assert refused.code != 0
    assert words in refused.err
    assert "leave that setting out" in refused.err
    assert segtrain("train", *given, *on, "--seed", 3).code == 0


def test_without_an_output_the_run_gets_a_folder_of_its_own(
    segtrain, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert segtrain("train", *paths(data / "train"), *QUICK).code == 0
    (run,) = (tmp_path / "segtrain-runs").iterdir()
    assert load_model(run).spec.dims == 2
