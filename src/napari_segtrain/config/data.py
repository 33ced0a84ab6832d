"""What the images and labels are, and which of them judge the training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from napari_segtrain.config.base import Auto, Config
from napari_segtrain.config.kinds import short_form


class DataConfig(Config):
    """Where the training data are and what the files do not say."""

    images: Path | None = None
    """A file, a folder (one sample per file) or a store with the images."""

    labels: Path | None = None
    """A file, a folder or a store with the labels, paired with the images by stem."""

    snapshot: Path | None = None
    """Samples saved from the viewer, instead of images and labels."""

    stack: bool = False
    """Read a folder as one volume, its files as slices in natural order."""

    axes: str | None = None
    """Axis letters of the images, such as ZCYX, when the files do not say."""

    voxel_size: (
        Annotated[tuple[PositiveFloat, ...], Field(min_length=2, max_length=3)] | None
    ) = None
    """Micrometers per voxel along Z, Y, X; overrides the files."""

    zero: Auto | Literal["dense", "painted-slices", "unlabelled"] = "auto"
    """What 0 means: background everywhere (dense), background only in slices
    that hold any label (painted-slices), or not labelled (unlabelled)."""

    background: tuple[int, ...] | Auto = "auto"
    """Label values that are the background, such as [1] where it was painted, or
    [0, 3]; empty for none."""

    ignore: tuple[int, ...] | Auto = "auto"
    """Label values that count nowhere; empty for none."""

    classes: dict[int, str] = Field(default_factory=dict)
    """Names of label values, such as {1: myelin}."""

    target: Auto | Literal["semantic", "instances"] = "auto"
    """Whether a label value is a class (semantic) or an object's id (instances)."""


class AutoValidation(Config):
    """Hold out a share of the samples (or one block of a single one) when enough."""

    kind: Literal["auto"] = "auto"


class FractionValidation(Config):
    """Hold out this share of the samples, or of the voxels of a single one."""

    kind: Literal["fraction"] = "fraction"
    fraction: float = Field(0.2, ge=0.1, le=0.25)
    """Share of the labelled data that is held out."""


class HandValidation(Config):
    """Hold out the samples with these names."""

    kind: Literal["by-hand"] = "by-hand"
    names: tuple[str, ...] = Field(min_length=1, examples=[["image_03"]])
    """File names or stems of the held-out samples."""


class KFoldValidation(Config):
    """Train k models, each with another part held out, and use them together."""

    kind: Literal["k-fold"] = "k-fold"
    k: int = Field(5, ge=2, le=10)
    """Number of models. Each has a part of the labels held out, and all of the labels
    are held out once; predictions average the models. It takes k times as long, or
    each has a k-th of a given time."""


class NoValidation(Config):
    """Train on everything; no score is claimed."""

    kind: Literal["none"] = "none"


ValidationConfig = Annotated[
    AutoValidation
    | FractionValidation
    | HandValidation
    | KFoldValidation
    | NoValidation,
    Field(discriminator="kind"),
    short_form("kind"),
]


_CELL_SIZE = 128
_CLIP_LIMIT = 0.01
_PERCENTILES = (1.0, 99.8)
_WITHOUT_PERCENTILES = ("zscore", "zero-center", "rescale", "none")


class NormalizationConfig(Config):
    """How intensities are brought to a common range."""

    method: (
        Auto
        | Literal[
            "percentile", "zscore", "zero-center", "rescale", "local-contrast", "none"
        ]
    ) = "auto"
    """percentile: the low and high percentile go to 0 and 1; zscore: mean 0, standard
    deviation 1; zero-center: mean 0; rescale: least and greatest go to 0 and 1;
    local-contrast: histograms around each voxel are flattened (CLAHE), slice by slice,
    between the low and high percentile of the image."""

    scope: Auto | Literal["slice", "image", "training-set"] = "auto"
    """Whether each slice or each image is measured by itself, or the training set once
    for all; auto takes slices where the brightness jumps from one to the next."""

    percentiles: tuple[float, float] = _PERCENTILES
    """Low and high percentile."""

    per_channel: bool = True
    """Measure each channel by itself; off keeps the ratios between channels, such as
    the hue of RGB."""

    match_histogram: bool = False
    """Bring the histogram of each image to that of the training set first; for images
    that differ in brightness and contrast, but not in what they show."""

    denoising: float = Field(0.0, ge=0, le=2)
    """Strength of denoising before all else, slice by slice, which keeps edges (total
    variation): 0.5 is CDeep3M's, 0 none. In units of the noise that is measured in
    each image."""

    cell_size: int = Field(_CELL_SIZE, ge=8)
    """Of local-contrast: width of the cells that have a histogram each, in voxels."""

    clip_limit: float = Field(_CLIP_LIMIT, gt=0.004, le=1)
    """Of local-contrast: greatest share of a cell in one of 256 bins; less flattens
    less, and keeps noise in empty parts down."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:  # noqa: PLR2004 - percent
            raise ValueError(
                f"percentiles must rise and lie within 0 and 100, not {low}, {high}"
            )
        has_cells = (self.cell_size, self.clip_limit) != (_CELL_SIZE, _CLIP_LIMIT)
        if has_cells and self.method != "local-contrast":
            raise ValueError(
                f"cell_size and clip_limit ({self.cell_size}, {self.clip_limit:g}) "
                f"belong to the method local-contrast, not to {self.method}"
            )
        has_percentiles = self.percentiles != _PERCENTILES
        if has_percentiles and self.method in _WITHOUT_PERCENTILES:
            raise ValueError(
                f"percentiles ({low:g}, {high:g}) belong to the methods percentile and "
                f"local-contrast, not to {self.method}"
            )
        if self.scope == "slice" and self.method in {"local-contrast", "none"}:
            raise ValueError(
                f"the scope slice goes with other methods than {self.method}, which "
                "does not measure slices as wholes; use the scope auto"
            )
        if self.match_histogram and self.scope in {"slice", "image"}:
            raise ValueError(
                "match_histogram brings images to the training set; use it with the "
                "scope training-set or auto"
            )
        is_measured = self.match_histogram or self.denoising > 0
        if self.method == "none" and not is_measured and not self.per_channel:
            raise ValueError("the method none measures nothing; leave per_channel on")
        return self
