"""Models that are damaged, hostile or of a newer format."""

from __future__ import annotations

import pickle
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.bad_input.helpers import (
    MODEL,
)


def copied(model: Path, folder: Path) -> Path:
    """The model folder of the run, to be spoiled, and an image that fits."""
    shutil.copytree(model / "model", folder / "m")
    shutil.copy(model.parent / "image.ome.tif", folder / "a.ome.tif")
    return folder / "m"


def edit_spec(bundle: Path, **changes: Any) -> None:
    path = bundle / "model.yaml"
    values = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump(values | changes), "utf-8")


def newer_format(bundle: Path) -> None:
    edit_spec(bundle, format_version=99)


def no_weights(bundle: Path) -> None:
    (bundle / "weights.safetensors").unlink()


def cut_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def changed_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 255
    path.write_bytes(content)


def pickled_weights(bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(pickle.dumps({"a": 1}))


def huge_network(bundle: Path) -> None:
    spec = yaml.safe_load((bundle / "model.yaml").read_text("utf-8"))
    edit_spec(bundle, network={**spec["network"], "first_filters": 500, "depth": 8})


def other_network(bundle: Path) -> None:
    spec = yaml.safe_load((bundle / "model.yaml").read_text("utf-8"))
    edit_spec(bundle, network={**spec["network"], "first_filters": 4})


def unknown_network(bundle: Path) -> None:
    edit_spec(bundle, network={"name": "transformer"})


def broken_yaml(bundle: Path) -> None:
    (bundle / "model.yaml").write_text("network: [")


def python_in_yaml(bundle: Path) -> None:
    text = "network: !!python/object/apply:os.system ['touch hacked']"
    (bundle / "model.yaml").write_text(text)


def bomb_in_yaml(bundle: Path) -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (bundle / "model.yaml").write_text("a0: &a0 [x]\n" + "\n".join(rows))


def no_description(bundle: Path) -> None:
    (bundle / "model.yaml").unlink()


def wrong_channels(bundle: Path) -> None:
    edit_spec(bundle, n_channels=-1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (newer_format, "format version 99|update napari-segtrain"),
        (no_weights, "lacks its weights|weights.safetensors"),
        (cut_weights, "do not match their checksum|again"),
        (changed_weights, "do not match their checksum|again"),
        (pickled_weights, "do not match their checksum"),
        (huge_network, "do not fit"),
        (other_network, "do not fit"),
        (unknown_network, "network.name|unet"),
        (broken_yaml, "m|not YAML"),
        (python_in_yaml, "m|not YAML"),
        (bomb_in_yaml, "m"),
        (no_description, "m holds no model.yaml"),
        (wrong_channels, "n_channels"),
    ],
)
def test_a_spoiled_model(fails, model: Path, tmp_path: Path, spoil, words) -> None:
    bundle = copied(model, tmp_path)
    spoil(bundle)
    expected = tuple(words.split("|"))
    fails("info", "m", code=MODEL, words=expected)
    fails("predict", "m", "a.ome.tif", "-o", "s", code=MODEL, words=expected)


def zipped(bundle: Path, target: Path) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED)
    for path in bundle.iterdir():
        archive.write(path, path.name)
    return archive


def climbing_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        archive.writestr("../hacked.txt", "x")


def absolute_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        archive.writestr("/tmp/hacked.txt", "x")


def linked_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")


def crowded_zip(bundle: Path, target: Path) -> None:
    with zipped(bundle, target) as archive:
        for number in range(100):
            archive.writestr(f"{number}", "x")


def swollen_zip(bundle: Path, target: Path) -> None:
    (bundle / "model.yaml").write_text("a: " + "x" * (5 << 20))
    zipped(bundle, target).close()


def foreign_zip(bundle: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps([1]))


def no_zip(bundle: Path, target: Path) -> None:
    target.write_bytes(pickle.dumps({"weights": [1]}))


def damaged_zip(bundle: Path, target: Path) -> None:
    (bundle / "thumbnail.png").unlink()
    zipped(bundle, target).close()
    content = bytearray(target.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(50)
    target.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (climbing_zip, "not safe|'../hacked.txt'"),
        (absolute_zip, "not safe|'/tmp/hacked.txt'"),
        (linked_zip, "not safe|'link'"),
        (crowded_zip, "103 files|two"),
        (swollen_zip, "model.yaml is larger"),
        (foreign_zip, "no model.yaml"),
        (no_zip, "no readable model"),
        (damaged_zip, "model.zip"),
    ],
)
def test_a_hostile_zip(fails, model: Path, tmp_path: Path, write, words) -> None:
    write(copied(model, tmp_path), tmp_path / "model.zip")
    fails("info", "model.zip", code=MODEL, words=tuple(words.split("|")))


def test_a_damaged_checkpoint(fails, model: Path, tmp_path: Path) -> None:
    content = (model / "checkpoints/latest.safetensors").read_bytes()
    path = tmp_path / "c.safetensors"
    path.write_bytes(content[: len(content) // 2])
    fails("info", path, code=MODEL, words=("c.safetensors is damaged",))
    path.write_bytes((1 << 62).to_bytes(8, "little") + content[8:])
    fails("info", path, code=MODEL, words=("c.safetensors is damaged",))
    path.write_bytes(b"")
    fails("info", path, code=MODEL, words=("c.safetensors is damaged",))
