"""``segtrain objects``."""

from __future__ import annotations

from napari_segtrain.cli import object_options as b
from napari_segtrain.cli import options as o
from napari_segtrain.cli import train_options as t


def objects(
    segmentations: b.SegmentationsArgument,
    output: b.OutputOption,
    images: b.ImagesOption = None,
    probabilities: b.ProbabilitiesOption = False,
    channel: b.ChannelOption = None,
    method: b.MethodOption = None,
    mode: b.ModeOption = None,
    threshold: b.ThresholdOption = None,
    min_voxels: b.MinOption = None,
    max_voxels: b.MaxOption = None,
    drop_border: b.BorderOption = False,
    density: b.DensityOption = None,
    outlines: b.OutlinesOption = None,
    surfaces: b.SurfacesOption = False,
    regions: b.RegionsOption = None,
    excel: b.ExcelOption = False,
    voxel_size: t.VoxelSizeOption = None,
    classes: o.ClassesOption = None,
    zero: o.ZeroOption = None,
    background: o.BackgroundOption = None,
    ignore: o.IgnoreOption = None,
    target: o.TargetOption = None,
    overwrite: o.OverwriteOption = False,
    settings: b.SetOption = None,
) -> None:
    """Make objects of segmentations, count and measure them."""
    from napari_segtrain.cli import object_run

    given = {
        "zero": zero.value if zero else None,
        "background": o.parse_values(background, "--background"),
        "ignore": o.parse_values(ignore, "--ignore"),
        "classes": o.parse_classes(classes),
        "target": target.value if target else None,
        "voxel_size": o.parse_numbers(voxel_size, "--voxel-size"),
        "method": {"kind": method.value} if method else None,
        "mode": mode.value if mode else None,
        "threshold": threshold,
        "min_voxels": min_voxels,
        "max_voxels": max_voxels,
        "drop_border": drop_border,
    }
    object_run.start(
        object_run.Order(
            segmentations=segmentations,
            output=output,
            images=images,
            is_probabilities=probabilities,
            channel=channel,
            slab=density,
            outlines=tuple(dict.fromkeys(each.value for each in outlines or [])),
            surfaces=surfaces,
            regions=regions,
            excel=excel,
            overwrite=overwrite,
        ),
        {key: value for key, value in given.items() if value is not None},
        settings or [],
    )
