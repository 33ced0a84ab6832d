"""``segtrain evaluate``."""

from __future__ import annotations

from napari_segtrain.cli import evaluate_options as e
from napari_segtrain.cli import options as o
from napari_segtrain.errors import ConfigError


def evaluate(
    truth: e.TruthArgument,
    segmentation: e.SegmentationArgument,
    output: e.OutputOption = None,
    objects: e.ObjectsOption = False,
    iou: e.IouOption = None,
    center_distance: e.CentersOption = None,
    boundaries: e.BoundariesOption = False,
    tolerance: e.ToleranceOption = None,
    unit: e.UnitOption = None,
    exclude: e.ExcludeOption = None,
    exclude_side: e.SideOption = None,
    region: e.RegionOption = None,
    mask: e.MaskOption = None,
    probabilities: e.ProbabilitiesOption = None,
    against: e.AgainstOption = None,
    images: e.ImagesOption = None,
    model: e.ModelOption = None,
    pdf: e.PdfOption = False,
    excel: e.ExcelOption = False,
    classes: o.ClassesOption = None,
    zero: o.ZeroOption = None,
    background: o.BackgroundOption = None,
    ignore: o.IgnoreOption = None,
    target: o.TargetOption = None,
    stack: o.StackOption = False,
    overwrite: o.OverwriteOption = False,
) -> None:
    """Score segmentations against ground truth, paired by name."""
    from napari_segtrain.cli import evaluation_run

    _check_options(tolerance, exclude_side, boundaries=boundaries, exclude=exclude)
    settings = {
        "zero": zero.value if zero else None,
        "background": o.parse_values(background, "--background"),
        "ignore": o.parse_values(ignore, "--ignore"),
        "classes": o.parse_classes(classes),
        "target": target.value if target else None,
        "stack": stack,
        "objects": objects,
        "iou_thresholds": o.parse_numbers(iou, "--iou"),
        "center_distance": center_distance,
        "boundaries": boundaries,
        "tolerance": tolerance,
        "unit": unit.value if unit else None,
        "exclusion_width": exclude,
        "exclusion_side": exclude_side.value if exclude_side else None,
    }
    evaluation_run.start(
        truth,
        segmentation,
        {key: value for key, value in settings.items() if value is not None},
        output=output,
        images=images,
        region=region,
        mask=mask,
        probabilities=probabilities,
        against=against,
        model=model,
        pdf=pdf,
        excel=excel,
        overwrite=overwrite,
    )


def _check_options(
    tolerance: float | None,
    side: object,
    *,
    boundaries: bool,
    exclude: int | None,
) -> None:
    """Refuse options that would do nothing."""
    if tolerance is not None and not boundaries:
        raise ConfigError("--tolerance is that of surfaces; add --boundaries.")
    if side is not None and not exclude:
        raise ConfigError(
            "--exclude-side says where voxels are left out; add --exclude-boundaries "
            "with their number."
        )
