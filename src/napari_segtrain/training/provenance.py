"""The description of the model that a plan leads to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from napari_segtrain.config.network import EncoderUNetConfig
from napari_segtrain.models import ModelSpec
from napari_segtrain.training.run_folder import describe_environment

if TYPE_CHECKING:
    from napari_segtrain.config import NetworkConfig
    from napari_segtrain.training.plan import TrainingPlan


def model_spec(plan: TrainingPlan) -> ModelSpec:
    """Describe the model of a run; scores and counts are filled in as it goes."""
    facts = plan.facts
    return ModelSpec(
        name=plan.network.name,
        dims=cast("Any", plan.info.dims),
        n_channels=facts.n_channels,
        channel_names=facts.channel_names,
        network=_portable(plan.network),
        normalization=facts.normalization,
        intensities=facts.seen,
        classes=facts.classes,
        objects=plan.objects,
        patch_size=plan.patch_size,
        voxel_size=facts.voxel_size,
        level=facts.level,
        provenance=_provenance(plan),
    )


def _portable(network: NetworkConfig) -> NetworkConfig:
    """Leave out a file of this computer; its weights are in the model."""
    if isinstance(network, EncoderUNetConfig):
        return network.model_copy(update={"weights": ""})
    return network


def _provenance(plan: TrainingPlan) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if plan.base is not None:
        base = {"name": plan.base.name, "weights_sha256": plan.base.weights_sha256}
        known["base"] = base
    return {
        **known,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": describe_environment(),
        "seed": plan.config.training.seed,
        "solver": plan.solver.model_dump(mode="json"),
        "learning_rate": plan.learning_rate,
        "weight_decay": plan.weight_decay,
        "images": list(plan.facts.names),
        "fingerprints": plan.facts.fingerprints,
        "validation": plan.facts.split.reason,
        "config": plan.config.model_dump(mode="json"),
    }
