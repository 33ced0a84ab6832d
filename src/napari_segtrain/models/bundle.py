"""A trained model on disk: a folder, or one zip, of weights and ``model.yaml``.

There is no pickle: weights are safetensors, the rest is YAML. Files of strangers are
checked before anything large is allocated.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from napari_segtrain.errors import ModelError, OutputError, SegtrainError
from napari_segtrain.io.atomic import write_bytes, write_text
from napari_segtrain.models.spec import MAX_SPEC_BYTES, ModelSpec, dump_spec, parse_spec
from napari_segtrain.networks import NetworkInfo, build_network, describe_network

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEC_NAME = "model.yaml"
WEIGHTS_NAME = "weights.safetensors"
MAX_WEIGHTS_BYTES = 8 << 30
MAX_ZIP_ENTRIES = 64


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

    @property
    def info(self) -> NetworkInfo:
        """Grid, receptive field and size of the network."""
        return describe_network(
            self.spec.network,
            in_channels=self.spec.n_channels,
            n_classes=self.spec.classes.n_classes,
        )


def save_model(
    path: Path, spec: ModelSpec, weights: Mapping[str, torch.Tensor]
) -> ModelSpec:
    """Write a model as a folder, or as one zip when the name ends in ``.zip``.

    Parameters
    ----------
    path : Path
        Must not exist.
    spec : ModelSpec
        Its checksum is filled in here.
    weights : mapping of str to Tensor
        State dict of the network.

    Raises
    ------
    OutputError
        When the path exists, or the disk is full.
    """
    if path.exists():
        raise OutputError(f"{path} exists already; choose another name or remove it.")
    data = save_tensors({k: v.detach().cpu().contiguous() for k, v in weights.items()})
    spec = replace(spec, weights_sha256=hashlib.sha256(data).hexdigest())
    if path.suffix == ".zip":
        write_bytes(path, _zipped(spec, data))
        return spec
    path.mkdir(parents=True)
    write_bytes(path / WEIGHTS_NAME, data)
    write_text(path / SPEC_NAME, dump_spec(spec))
    return spec


def load_bundle(path: Path) -> Model:
    """Read a model folder or zip.

    Raises
    ------
    ModelError
        When it is damaged, hostile, no model, or of a newer format.
    """
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
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"The weights in {path} are damaged: {error}.") from error
    return assemble(spec, weights, source=str(path))


def assemble(
    spec: ModelSpec, weights: Mapping[str, torch.Tensor], *, source: str
) -> Model:
    """Put weights into the network that a spec describes.

    Shapes are compared before any memory is taken for the network.

    Raises
    ------
    ModelError
        When they do not belong together.
    """
    try:
        with torch.device("meta"):
            network = build_network(
                spec.network,
                in_channels=spec.n_channels,
                n_classes=spec.classes.n_classes,
                seed=None,
            )
    except SegtrainError as error:
        raise ModelError(f"The network of {source} cannot be built: {error}") from error
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    given = {name: tuple(t.shape) for name, t in weights.items()}
    if expected != given:
        wrong = sorted(set(expected.items()) ^ set(given.items()))[0]
        raise ModelError(
            f"The weights in {source} do not fit its network (first at {wrong[0]}); "
            "the model file is damaged."
        )
    network.load_state_dict(dict(weights), strict=True, assign=True)
    return Model(spec, network.eval().requires_grad_(requires_grad=False))


def _read_small(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_SPEC_BYTES:
            raise ModelError(f"{path} is larger than 4 MiB; this is no model.")
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent} holds no {SPEC_NAME}: it is no model."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


def _read_weights(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise ModelError(f"{path} is larger than 8 GiB; this is no model of ours.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"The model lacks its weights: {path} is missing.") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


def _zipped(spec: ModelSpec, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(SPEC_NAME, dump_spec(spec))
        archive.writestr(WEIGHTS_NAME, data)
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
    except (
        zipfile.BadZipFile,
        OSError,
        UnicodeDecodeError,
        NotImplementedError,
    ) as error:
        raise ModelError(f"{path} is no readable model file: {error}.") from error


def _checked_entries(
    archive: zipfile.ZipFile, path: Path
) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MAX_ZIP_ENTRIES:
        raise ModelError(f"{path} holds {len(infos)} files; a model has two.")
    for info in infos:
        name = PurePosixPath(info.filename.replace("\\", "/"))
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[0] or is_link:
            raise ModelError(
                f"{path} is not safe: its entry {info.filename!r} leads outside."
            )
    found = {PurePosixPath(info.filename).name: info for info in infos}
    for wanted, limit in (
        (SPEC_NAME, MAX_SPEC_BYTES),
        (WEIGHTS_NAME, MAX_WEIGHTS_BYTES),
    ):
        if wanted not in found:
            raise ModelError(f"{path} holds no {wanted}: it is no model.")
        if found[wanted].file_size > limit:
            raise ModelError(f"{path}: {wanted} is larger than a model's can be.")
    return found
