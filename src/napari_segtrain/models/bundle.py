"""A trained model on disk: a folder, or one zip, of weights and ``model.yaml``.

There is no pickle: weights are safetensors, the rest is YAML. Files of strangers are
checked before anything large is allocated.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import stat
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from napari_segtrain.errors import ModelError, OutputError, SegtrainError
from napari_segtrain.io.atomic import atomic_path, write_bytes
from napari_segtrain.models.spec import MAX_SPEC_BYTES, ModelSpec, dump_spec, parse_spec
from napari_segtrain.networks import NetworkInfo, build_network, describe_network
from napari_segtrain.networks.ensemble import Ensemble

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEC_NAME = "model.yaml"
WEIGHTS_NAME = "weights.safetensors"
THUMBNAIL_NAME = "thumbnail.png"
MAX_WEIGHTS_BYTES = 8 << 30
MAX_ZIP_ENTRIES = 64
MAX_PACKING = 64
"""Weights hardly shrink; a file that unpacks to more than this is a bomb."""

_PICKLES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, LookupError,
    NotImplementedError, OSError, RuntimeError, ValueError,
)  # fmt: skip
"""What `zipfile` raises for damaged, encrypted and unheard-of archives."""


@dataclass(frozen=True)
class Model:
    """A trained model in memory.

    Parameters
    ----------
    spec : ModelSpec
        What it is.
    network : nn.Module
        With its weights, in evaluation mode.
    """

    spec: ModelSpec
    network: nn.Module

    @cached_property
    def info(self) -> NetworkInfo:
        """Grid, receptive field and size of the network, or of all members."""
        info = describe_network(
            self.spec.network,
            in_channels=self.spec.n_channels,
            n_classes=len(self.spec.output_names),
        )
        measured = self.spec.calibration
        return replace(
            info,
            n_parameters=self.spec.n_members * info.n_parameters,
            halo=measured.halo if measured and info.is_local else None,
        )


def save_model(
    path: Path,
    spec: ModelSpec,
    weights: Mapping[str, torch.Tensor],
    *,
    thumbnail: bytes | None = None,
) -> ModelSpec:
    """Write a model as a folder, or as one zip when the name ends in ``.zip``.

    It appears complete or not at all.

    Parameters
    ----------
    path : Path
        Must not exist.
    spec : ModelSpec
        Its checksum is filled in here.
    weights : mapping of str to Tensor
        State dict of the network.
    thumbnail : bytes, optional
        A small PNG, for people who choose among models.

    Raises
    ------
    OutputError
        When the path exists or cannot be written, or the disk is full.
    """
    if path.exists():
        raise OutputError(f"{path} exists already; choose another name or remove it.")
    data = save_tensors({k: v.detach().cpu().contiguous() for k, v in weights.items()})
    spec = replace(spec, weights_sha256=hashlib.sha256(data).hexdigest())
    if path.suffix == ".zip":
        write_bytes(path, _zipped(spec, data, thumbnail))
        return spec
    with atomic_path(path) as folder:
        folder.mkdir()
        (folder / WEIGHTS_NAME).write_bytes(data)
        (folder / SPEC_NAME).write_bytes(dump_spec(spec).encode())
        if thumbnail is not None:
            (folder / THUMBNAIL_NAME).write_bytes(thumbnail)
    return spec


def load_bundle(path: Path) -> Model:
    """Read a model folder or zip.

    Raises
    ------
    ModelError
        When it is damaged, hostile, no model, or of a newer format.
    """
    if path.suffix.lower() in _PICKLES:
        raise ModelError(
            f"{path} is a pickle, which could run any program and is never opened; a "
            "model is a folder or a zip with model.yaml and weights.safetensors."
        )
    if path.is_dir():
        text = _read_small(path / SPEC_NAME)
        data = _read_weights(path / WEIGHTS_NAME)
    else:
        text, data = _unzipped(path)
    spec = parse_spec(text, source=str(path))
    if hashlib.sha256(data).hexdigest() != spec.weights_sha256:
        raise ModelError(
            f"The weights in {path} do not match their checksum: the file is damaged "
            "or was changed; copy the model again from where it came."
        )
    try:
        weights = load_tensors(data)
    except (SafetensorError, LookupError, ValueError) as error:
        raise ModelError(f"The weights in {path} are damaged: {error}.") from error
    return assemble(spec, weights, source=str(path))


def assemble(
    spec: ModelSpec, weights: Mapping[str, torch.Tensor], *, source: str
) -> Model:
    """Put weights into the network that a spec describes.

    Shapes and types are compared before any memory is taken for the network.

    Raises
    ------
    ModelError
        When they do not belong together.
    """
    try:
        with torch.device("meta"):
            network = _build(spec)
    except SegtrainError as error:
        raise ModelError(f"The network of {source} cannot be built: {error}") from error
    expected = {n: (tuple(t.shape), t.dtype) for n, t in network.state_dict().items()}
    given = {n: (tuple(t.shape), t.dtype) for n, t in weights.items()}
    if expected != given:
        wrong = min(name for name, _ in set(expected.items()) ^ set(given.items()))
        raise ModelError(
            f"The weights in {source} do not fit its network (first at {wrong}); "
            "the model file is damaged."
        )
    network.load_state_dict(dict(weights), strict=True, assign=True)
    return Model(spec, network.eval().requires_grad_(requires_grad=False))


def _build(spec: ModelSpec) -> nn.Module:
    """Network of a spec, or its ensemble."""
    members = [
        build_network(
            spec.network,
            in_channels=spec.n_channels,
            n_classes=len(spec.output_names),
            seed=None,
        )
        for _ in range(spec.n_members)
    ]
    return members[0] if spec.n_members == 1 else Ensemble(members)


def _read_small(path: Path) -> str:
    if not path.is_file():
        raise ModelError(f"{path.parent} holds no {SPEC_NAME}: it is no model.")
    try:
        if path.stat().st_size > MAX_SPEC_BYTES:
            raise ModelError(f"{path} is larger than 4 MiB; this is no model.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


def _read_weights(path: Path) -> bytes:
    if not path.is_file():
        raise ModelError(f"The model lacks its weights: {path} is missing.")
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise ModelError(f"{path} is larger than 8 GiB; this is no model of ours.")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


def _zipped(spec: ModelSpec, data: bytes, thumbnail: bytes | None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(SPEC_NAME, dump_spec(spec))
        archive.writestr(WEIGHTS_NAME, data)
        if thumbnail is not None:
            archive.writestr(THUMBNAIL_NAME, thumbnail)
    return buffer.getvalue()


def _unzipped(path: Path) -> tuple[str, bytes]:
    """Contents of the two files; nothing is extracted to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked_entries(archive, path)
            text = archive.read(entries[SPEC_NAME]).decode("utf-8")
            return text, archive.read(entries[WEIGHTS_NAME])
    except FileNotFoundError as error:
        raise ModelError(f"There is no model at {path}.") from error
    except _ZIP_ERRORS as error:
        raise ModelError(f"{path} is no readable model file: {error}.") from error


def _checked_entries(
    archive: zipfile.ZipFile, path: Path
) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MAX_ZIP_ENTRIES:
        raise ModelError(f"{path} holds {len(infos)} files; a model has two or three.")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = PurePosixPath(info.filename.replace("\\", "/"))
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or ":" in str(name) or is_link:
            raise ModelError(
                f"{path} is not safe: its entry {info.filename!r} leads outside."
            )
        if name.name in (SPEC_NAME, WEIGHTS_NAME) and name.name in found:
            raise ModelError(f"{path} holds two files {name.name}; a model has one.")
        found[name.name] = info
    for wanted, limit in (
        (SPEC_NAME, MAX_SPEC_BYTES),
        (WEIGHTS_NAME, MAX_WEIGHTS_BYTES),
    ):
        if wanted not in found:
            raise ModelError(f"{path} holds no {wanted}: it is no model.")
        size, packed = found[wanted].file_size, found[wanted].compress_size
        is_bomb = size > MAX_SPEC_BYTES and size > MAX_PACKING * packed
        if size > limit or is_bomb:
            raise ModelError(f"{path}: {wanted} is larger than a model's can be.")
    return found
