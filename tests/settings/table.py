"""For each setting, a value that changes something, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.devices import absent_device
from tests.networks.networks import CASES as NETWORKS
from tests.networks.networks import small
from tests.settings import observers as see
from tests.settings.observers import Observer
from tests.settings.walk import Values

from napari_segtrain.config.augmentation import AugmentationConfig
from napari_segtrain.config.network import DIMS_OF

BASE: Values = {
    "validation": {"kind": "by-hand", "names": ["image 2"]},
    "network": {
        "name": "unet", "dims": 2, "depth": 1, "first_filters": 4, "stem": 1,
    },
    "sampling": {"patch_size": [1, 24, 24], "batch_size": 2, "loader_threads": 0},
    "augmentation": {"preset": "none"},
    "training": {
        "length": {"kind": "iterations", "iterations": 4},
        "iterations_per_epoch": 2,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """How a setting shows that it is heard.

    Parameters
    ----------
    value : object
        Another value.
    observe : Observer
        What differs with it, or refuses it.
    given : mapping
        Settings beside it, in sections of `BASE`.
    data : str
        Of `observers.dataset`, or of `prediction.SPECS`.
    words : str
        What the refusal says, where the value is refused.
    """

    value: Any
    observe: Observer
    given: Values = field(default_factory=dict)
    data: str = "flat"
    words: str = ""


def refused(value: Any, words: str, **given: Any) -> Case:
    """A value that a run is refused with."""
    return Case(value, see.network, given, words=words)


ABSENT = absent_device()
VOLUMES = {"dims": 3}
SCHEDULE = {"length": {"kind": "iterations", "iterations": 150}}
PLATEAU = {"length": {"kind": "plateau", "max_minutes": 3, "patience": 20}}
TABLE: dict[str, Case] = {
    "format_version": refused(2, "format version 2"),
    "validation": Case({"kind": "none"}, see.plan),
    "validation[fraction].fraction": Case(
        0.25,
        see.plan,
        {"validation": {"kind": "fraction", "fraction": 0.1}},
        "single",
    ),
    "validation[by-hand].names": Case(["image 1"], see.plan),
    "validation[k-fold].k": Case(
        3, see.plan, {"validation": {"kind": "k-fold", "k": 2}}
    ),
    "normalization.method": Case("rescale", see.batches),
    "normalization.scope": Case("image", see.batches),
    "normalization.percentiles": Case(
        [20, 80], see.batches, {"normalization": {"method": "percentile"}}
    ),
    "normalization.per_channel": Case(False, see.batches, data="colors"),
    "normalization.match_histogram": Case(True, see.batches),
    "normalization.denoising": Case(1, see.batches),
    "normalization.cell_size": Case(
        16, see.batches, {"normalization": {"method": "local-contrast"}}
    ),
    "normalization.clip_limit": Case(
        0.1, see.batches, {"normalization": {"method": "local-contrast"}}
    ),
    "sampling.patch_size": Case([1, 32, 32], see.plan),
    "sampling.batch_size": Case(3, see.plan),
    "sampling.foreground_share": Case(1, see.batches),
    "sampling.cache_megabytes": Case(0, see.reads),
    "sampling.loader_threads": Case(2, see.loaders),
    "network": Case({"name": "segnet", "depth": 1, "first_filters": 4}, see.network),
    "loss": Case({"name": "dice"}, see.loss),
    "training.length": Case({"kind": "epochs", "epochs": 3}, see.run),
    "training.length[iterations].iterations": Case(6, see.run),
    "training.length[epochs].epochs": Case(2, see.course),
    "training.length[time-budget].seconds": Case(30, see.course),
    "training.length[plateau].patience": Case(3, see.course),
    "training.length[plateau].max_minutes": Case(1, see.course, {"training": PLATEAU}),
    "training.iterations_per_epoch": Case(1, see.run),
    "training.solver": Case({"kind": "adamw"}, see.steps),
    "training.solver[muon].momentum": Case(0.5, see.steps),
    "training.solver[adamw].beta1": Case(0.5, see.steps),
    "training.solver[adamw].beta2": Case(0.5, see.steps),
    "training.solver[adam].beta1": Case(0.5, see.steps),
    "training.solver[adam].beta2": Case(0.5, see.steps),
    "training.solver[sgd].momentum": Case(0.5, see.steps),
    "training.solver[sgd].nesterov": Case(False, see.steps),
    "training.solver[rmsprop].smoothing": Case(0.5, see.steps),
    "training.solver[rmsprop].momentum": Case(0.5, see.steps),
    "training.learning_rate": Case(0.01, see.steps),
    "training.schedule": Case({"kind": "constant"}, see.course, {"training": SCHEDULE}),
    **{
        f"training.schedule[{path}": Case(value, see.course, {"training": SCHEDULE})
        for path, value in {
            "one-cycle].rise": 0.5,
            "constant].warm_up": 50,
            "piecewise].drop_factor": 0.5,
            "piecewise].every_epochs": 7,
            "piecewise].warm_up": 50,
            "polynomial].power": 2,
            "polynomial].warm_up": 50,
            "cosine].cycles": 3,
            "cosine].warm_up": 50,
            "on-plateau].drop_factor": 0.1,
            "on-plateau].patience": 7,
            "on-plateau].warm_up": 50,
        }.items()
    },
    "training.weight_decay": Case(0.5, see.steps),
    "training.gradient_clip": Case(
        1e-3, see.steps, {"training": {"solver": {"kind": "sgd"}}}
    ),
    "training.ema_decay": Case(0.1, see.steps),
    "training.keep_weights": Case("last", see.run),
    "training.seed": Case(7, see.steps),
    "training.device": Case(ABSENT, see.machine, words=f"'{ABSENT}'.* only"),
    "training.memory_limit": Case(1e-4, see.plan),
    "training.n_threads": Case(3, see.threads),
    "training.amp": Case(False, see.precision),
    "training.checkpoint_every": Case(1, see.run),
    "training.frozen_encoder": Case(0.5, see.plan, words="no model to go on from"),
    "training.tensorboard": Case(True, see.run),
    "training.tune_decision": Case(False, see.run),
    **{
        f"loss[{path}": Case(value, see.loss)
        for path, value in {
            "dice-cross-entropy].exclude_background": False,
            "dice-cross-entropy].dice_weight": 3,
            "dice-cross-entropy].cross_entropy_weight": 3,
            "dice].exclude_background": True,
            "generalized-dice].exclude_background": True,
            "focal].gamma": 1,
            "focal].alpha": 0.6,
            "tversky].alpha": 0.9,
            "tversky].beta": 0.1,
            "tversky].exclude_background": True,
            "boundary-cross-entropy].border_weight": 3,
            "boundary-cross-entropy].border_sigma": 2,
        }.items()
    },
}

OBJECTS = {"data": {"target": "instances"}, "validation": {"kind": "none"}}
PAINTED = {
    "data": {"target": "instances", "zero": "unlabelled"},
    "validation": {"kind": "none"},
}
TABLE |= {
    f"objects.{path}": Case(value, see.plan, OBJECTS)
    for path, value in {
        "target": {"kind": "foreground"},
        "target[boundaries].width": 3,
        "target[distances].steps": 3,
        "prominence": 0.1,
        "smoothing": 0.5,
        "min_voxels": 3,
        "fill_holes": False,
    }.items()
}
TABLE["objects.ring_width"] = Case(9, see.plan, PAINTED)

WEIGHTS = {
    "class_weights": {"kind": "inverse-frequency"},
    "class_weights[effective-number].beta": 0,
    "class_weights[by-name].weights": {"foreground": 3},
    "class_weights[in-order].weights": [1, 3],
}
GIVEN_WEIGHTS = {
    "effective-number": {"beta": 0.999999},
    "by-name": {"weights": {"foreground": 1.5}},
    "in-order": {"weights": [1, 1.5]},
}
NETWORK_VALUES: dict[str, Any] = {
    "depth": 3, "stem": 2, "flat_levels": 1, "first_filters": 12, "kernel_size": 5,
    "activation": "elu", "residual": True, "downsampling": "strided", "dropout": 0.5,
    "slices": 5, "width": 0.2, "encoder": "resnet34", "norm": "instance",
    "padding": "valid", "deep_supervision": True,
}  # fmt: skip
"""Values that the networks of `small` have not."""
BESIDE: dict[tuple[str, str], Values] = {
    ("dynunet", "flat_levels"): {"depth": 3},
    ("unet-3d", "padding"): {"depth": 1},
    ("swin-unetr", "first_filters"): {"first_filters": 24},
}

AUGMENTATION_VALUES: dict[str, Any] = {
    "flips": True, "rotations": True, "interpolation": "cubic", "in_depth": True,
}  # fmt: skip
WARPED = {"preset": "none", "affine_probability": 1, "max_rotation": 20}
USUAL_PATCH = {"patch_size": "auto"}
CUBES = {"patch_size": [8, 24, 24], "batch_size": 2, "loader_threads": 0}


def all_cases() -> dict[str, Case]:
    """The table, with what follows rules."""
    return {**TABLE, **dict(_data()), **dict(_weights()), **dict(_networks()),
            **dict(_augmentation())}  # fmt: skip


def _weights() -> Iterator[tuple[str, Case]]:
    losses = [
        "dice-cross-entropy", "cross-entropy", "dice", "generalized-dice", "focal",
        "tversky", "boundary-cross-entropy",
    ]  # fmt: skip
    for name in losses:
        for path, value in WEIGHTS.items():
            kind = path.partition("[")[2].partition("]")[0]
            given = {"kind": kind, **GIVEN_WEIGHTS[kind]} if kind else {"kind": "none"}
            loss = {"name": name, "class_weights": given}
            yield f"loss[{name}].{path}", Case(value, see.loss, {"loss": loss})


def _networks() -> Iterator[tuple[str, Case]]:
    for name, dims in dict(NETWORKS[::-1]).items():
        base = small(name, dims).model_dump()
        yield f"network[{name}].dims", _dims_case(name)
        for part in sorted(base.keys() & {*NETWORK_VALUES, "weights"}):
            yield f"network[{name}].{part}", _network_case(name, part, dims)


def _dims_case(name: str) -> Case:
    if len(DIMS_OF[name]) == 1:
        return refused(2, "dims", network={"name": name})
    given = {"network": {"name": name, "dims": 2}, "sampling": USUAL_PATCH}
    return Case(3, see.network, given, "volume")


def _network_case(name: str, part: str, dims: int) -> Case:
    if part in {"flat_levels", "slices"}:
        dims = 3
    network = small(name, dims).model_dump() | BESIDE.get((name, part), {})
    given = {"network": network, "sampling": USUAL_PATCH}
    if part == "weights":
        file = "no.safetensors"
        return Case(file, see.output, given, words=file)
    observe = see.steps if part == "deep_supervision" else see.network
    data = "flat" if dims == 2 else "volume"
    return Case(NETWORK_VALUES[part], observe, given, data)


def _augmentation() -> Iterator[tuple[str, Case]]:
    yield "augmentation.preset", Case("strong", see.batches)
    for name, info in AugmentationConfig.model_fields.items():
        parts = getattr(info.annotation, "model_fields", None)
        for part in parts or [name] * (name != "preset"):
            path = f"{name}.{part}" if parts else name
            yield f"augmentation.{path}", _augmentation_case(name, part)


def _augmentation_case(section: str, part: str) -> Case:
    value = AUGMENTATION_VALUES.get(part, 0.9)
    if part.startswith("max_") or part in {"elastic_spacing"}:
        value = {"max_scale": 1.9, "max_axis_scale": 1.9}.get(part, 4)
    given: Values = {}
    data = {"color": "colors", "stack": "volume"}.get(section, "flat")
    if part in {"interpolation", "in_depth"}:
        given["augmentation"] = WARPED
    if part == "in_depth":
        data = "cubic"
    if data in {"volume", "cubic"}:
        given |= {"sampling": CUBES, "network": {**BASE["network"], "dims": 3}}
    return Case(value, see.batches, given, data)


def _data() -> Iterator[tuple[str, Case]]:
    values = {
        "images": "others",
        "labels": "other labels",
        "snapshot": "snapshot",
        "stack": True,
        "axes": "ZYX",
        "voxel_size": [1.0, 0.5, 0.5],
        "zero": "unlabelled",
        "background": [1],
        "ignore": [2],
        "classes": {1: "myelin"},
        "target": "instances",
    }
    words = {"axes": "axes"}
    for name, value in values.items():
        yield f"data.{name}", Case(value, see.files, words=words.get(name, ""))
