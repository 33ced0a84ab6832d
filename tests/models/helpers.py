"""A small model, and ways to damage it."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load, save

from napari_segtrain.config import UNetConfig
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.models import ModelSpec, save_model
from napari_segtrain.networks import build_network

SPEC, WEIGHTS = "model.yaml", "weights.safetensors"


def make_spec(dims=2, n_channels=1, **changes) -> ModelSpec:
    """Everything said, nothing left to choose."""
    values: dict[str, Any] = {
        "name": "tiny",
        "dims": dims,
        "n_channels": n_channels,
        "network": UNetConfig(
            dims=dims, depth=1, stem=1, first_filters=4, kernel_size=3, norm="batch"
        ),
        "normalization": Normalization(
            "zscore", "training-set", (1.0, 99.8),
            IntensityMap((100.0,) * n_channels, (0.04,) * n_channels),
        ),
        "classes": ClassTable(
            (
                ClassInfo(0, "background", "#000000", "background", 900),
                ClassInfo(7, "axon", "#e6194b", "class", 80),
                ClassInfo(300, "myelin", "#3cb44b", "class", 20),
                ClassInfo(255, "unlabelled", "#808080", "unlabelled", 5),
            )
        ),
        "patch_size": (1, 32, 32) if dims == 2 else (8, 32, 32),
        "voxel_size": (0.5, 0.5) if dims == 2 else (2.0, 0.5, 0.5),
        "channel_names": tuple(f"channel {n}" for n in range(n_channels)),
        "scores": {"mean IoU": 0.75, "IoU axon": None},
        "provenance": {"seed": 3, "images": ["a b", "é"], "when": "2026-01-01"},
    }  # fmt: skip
    return ModelSpec(**(values | changes))


def make_weights(spec: ModelSpec, seed=0) -> dict[str, torch.Tensor]:
    """Weights of a network that has seen two batches."""
    network = build_network(
        spec.network,
        in_channels=spec.n_channels,
        n_classes=spec.classes.n_classes,
        seed=seed,
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        shape = (2, spec.n_channels, *[16] * spec.dims)
        network(torch.randn(shape, generator=generator))
    return dict(network.state_dict())


def write_folder(path: Path, **changes) -> Path:
    spec = make_spec(**changes)
    save_model(path, spec, make_weights(spec))
    return path


def read_values(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / SPEC).read_text("utf-8"))


def write_values(folder: Path, values: dict[str, Any]) -> None:
    (folder / SPEC).write_text(yaml.safe_dump(values), "utf-8")


def change_spec(folder: Path, change) -> None:
    """Apply ``change`` to the values of the model's description, in place."""
    values = read_values(folder)
    change(values)
    write_values(folder, values)


def change_weights(folder: Path, change) -> None:
    """Exchange the weights, with a checksum that is right."""
    replace_weights(folder, save(change(load((folder / WEIGHTS).read_bytes()))))


def replace_weights(folder: Path, data: bytes) -> None:
    (folder / WEIGHTS).write_bytes(data)
    checksum = hashlib.sha256(data).hexdigest()
    change_spec(folder, lambda values: values.update(weights_sha256=checksum))


def zip_of(folder: Path, **more: bytes) -> dict[str, bytes]:
    """Entries of a zip of a model folder."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())} | more


def write_zip(path: Path, entries, *, packing=zipfile.ZIP_STORED) -> Path:
    """Write ``entries``, pairs of a name (or `zipfile.ZipInfo`) and bytes."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def link_entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def torch_file(path: Path) -> Path:
    buffer = io.BytesIO()
    torch.save({"weights": torch.ones(3)}, buffer)
    path.write_bytes(buffer.getvalue())
    return path
