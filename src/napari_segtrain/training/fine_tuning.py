"""A training that goes on from a model: what of it is kept, and whether it paid off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_segtrain.config import NetworkConfig, UNetConfig, asked_dims
from napari_segtrain.errors import ConfigError, ModelError
from napari_segtrain.networks.transplant import Graft
from napari_segtrain.training.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.data.facts import DatasetFacts
    from napari_segtrain.image import ClassTable
    from napari_segtrain.models import ModelSpec

EQUAL = 0.005
"""Difference of the mean IoU up to which two models count as equally good."""

Numbers = tuple[int | None, ...]


@dataclass(frozen=True)
class Base:
    """The model that a training goes on from, as its plan knows it.

    Parameters
    ----------
    name : str
        Of the model.
    weights_sha256 : str
        Checksum of its weights.
    n_channels, n_classes : int
        Of the model.
    channels, classes : tuple of int or None
        For each channel and class of the training, the model's; ``None`` for new ones.
    """

    name: str
    weights_sha256: str
    n_channels: int
    n_classes: int
    channels: Numbers
    classes: Numbers

    @property
    def has_same_channels(self) -> bool:
        """Whether the model can be applied to the images of the training."""
        return self.channels == tuple(range(self.n_channels))

    def graft(self, network: NetworkConfig) -> Graft:
        """What goes where in the network of the training."""
        sizes = self.n_channels, self.n_classes
        return Graft(network, *sizes, self.channels, self.classes)


def take_base(spec: ModelSpec, facts: DatasetFacts, parts: Sequence[str] = ()) -> Base:
    """Find out what of a model a training can use.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    facts : DatasetFacts
        The data of the training.
    parts : sequence of str
        Parts of objects that the training tells apart.

    Raises
    ------
    ModelError
        When the model segments volumes and an image is flat.
    """
    flat = [n for n, s in zip(facts.names, facts.shapes, strict=True) if s[0] == 1]
    if asked_dims(spec.network) == 3 and flat:  # noqa: PLR2004
        raise ModelError(
            f"The model to go on from segments volumes, but {flat[0]} is flat (one "
            "slice); choose a 2D model, or open the slices as one stack."
        )
    channels = facts.channel_names, facts.n_channels, spec.channel_names
    return Base(
        name=spec.name,
        weights_sha256=spec.weights_sha256,
        n_channels=spec.n_channels,
        n_classes=len(spec.output_names),
        channels=match_channels(*channels, spec.n_channels),
        classes=_match_outputs(facts.classes, parts, spec),
    )


def _match_outputs(table: ClassTable, parts: Sequence[str], spec: ModelSpec) -> Numbers:
    """Find each output in a model; parts of objects only when all are the same."""
    known = spec.objects.parts if spec.objects else ()
    if not parts and not known:
        return match_classes(table, spec.classes)
    if tuple(parts) == known:
        return tuple(range(1 + len(known)))
    n_new = len(parts) or table.n_classes - 1
    is_background = table.classes[0].role == spec.classes.classes[0].role
    return (0 if is_background else None, *[None] * n_new)


def match_channels(
    names: Sequence[str], n_channels: int, old_names: Sequence[str], n_old: int
) -> Numbers:
    """Find each channel in a model: by name, or else by its place.

    Places count when names are missing, or when no name is known and the model has as
    many channels.

    Parameters
    ----------
    names, n_channels
        Of the images; names may be empty.
    old_names, n_old
        Of the model.
    """
    found = tuple(
        list(old_names).index(name) if name in old_names else None for name in names
    )
    has_names = len(set(names)) == n_channels and len(set(old_names)) == n_old
    is_known = any(number is not None for number in found)
    if has_names and (is_known or n_channels != n_old):
        return found
    return tuple(n if n < n_old else None for n in range(n_channels))


def match_classes(table: ClassTable, old: ClassTable) -> Numbers:
    """Find each class in a model: by name, as the background, or else by its value.

    Parameters
    ----------
    table : ClassTable
        Of the training.
    old : ClassTable
        Of the model.
    """
    left = set(range(old.n_classes))
    found: dict[int, int] = {}

    def take(new: int, candidates: Iterator[int]) -> None:
        number = next((n for n in candidates if n in left), None)
        if new not in found and number is not None:
            found[new] = number
            left.remove(number)

    rules: tuple[Any, ...] = (
        lambda a, b: a.name == b.name,
        lambda a, b: a.role == b.role == "background",
        lambda a, b: a.role == b.role and a.value == b.value,
    )
    for rule in rules:
        for new, row in enumerate(table.classes):
            same = (n for n, b in enumerate(old.classes) if rule(row, b))
            take(new, same)
    return tuple(found.get(new) for new in range(table.n_classes))


def take_network(
    asked: NetworkConfig, base: NetworkConfig, *, weights: str = ""
) -> NetworkConfig:
    """Take over the network of the model to go on from.

    Parameters
    ----------
    asked : NetworkConfig
        Settings that were asked for, with the value of the default too (pydantic's
        ``model_fields_set``), have to be those of the model; ``auto`` is always.
    base : NetworkConfig
        Of the model.
    weights : str
        File that the encoder of the model began with, which its network does not name.

    Raises
    ------
    ConfigError
        Naming the first setting that contradicts the model.
    """
    given = asked.model_fields_set
    is_named = "name" in given or not isinstance(asked, UNetConfig)
    if is_named and asked.name != base.name:
        raise _contradiction("name", asked.name, base.name)
    known = base.model_dump()
    known |= {"weights": weights} if "weights" in known else {}
    for name, value in asked.model_dump(include=given - {"name"}).items():
        if value not in {"auto", "", known.get(name)}:
            raise _contradiction(name, value, known.get(name))
    return base


def first_weights(spec: ModelSpec) -> str:
    """File that the encoder of a model began with; empty for none, or not known."""
    values: Any = spec.provenance
    for name in ("config", "network", "weights"):
        values = values.get(name) if isinstance(values, dict) else None
    return values if isinstance(values, str) else ""


def _contradiction(name: str, asked: object, known: object) -> ConfigError:
    has = "does not have" if known is None else f"has {known or 'none'} for"
    return ConfigError(
        f"network.{name} is {asked}, but the model to go on from {has} it; leave that "
        "setting out, or train a new model."
    )


def base_findings(base: Base, names: Sequence[str]) -> Iterator[Finding]:
    """Say what of the model is kept, and warn when nothing fits."""
    new = [n for n, old in zip(names, base.classes, strict=True) if old is None]
    kept = [n for n in names if n not in new]
    text = "Goes on from a model: "
    text += f"{', '.join(kept)} known" if kept else "no class known"
    text += f", {', '.join(new)} new" if new else ""
    n_new = sum(channel is None for channel in base.channels)
    if n_new:
        text += f"; {n_new} of {len(base.channels)} channels new"
    yield Finding("info" if kept else "warning", f"{text}.")


def verdict(before: float, after: float) -> str:
    """One sentence on whether a training made a model better.

    Parameters
    ----------
    before, after : float
        Mean IoU of the model that the training began with, and of the new one, on the
        same held-out patches.
    """
    gain = after - before
    scores = f"{after:.3f} against {before:.3f} on the same held-out patches"
    if gain > EQUAL:
        return f"The new model is better than the one it began with: IoU {scores}."
    if gain < -EQUAL:
        return (
            f"The new model is worse than the one it began with: IoU {scores}; keep "
            "that one, or train longer or on more labels."
        )
    return f"The new model is about as good as the one it began with: IoU {scores}."
