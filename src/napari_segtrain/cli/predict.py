"""``segtrain predict``."""

from __future__ import annotations

from napari_segtrain.cli import options as o
from napari_segtrain.cli import predict_options as p
from napari_segtrain.errors import ConfigError


def predict(
    model: p.ModelArgument,
    images: p.ImagesArgument,
    output: p.OutputOption,
    also: p.AlsoOption = None,
    probabilities: p.ProbabilitiesOption = False,
    probability_type: p.ProbabilityTypeOption = p.Kind.uint8,
    slices: p.SlicesOption = None,
    output_format: p.OutputFormatOption = p.Format.auto,
    overlays: p.OverlaysOption = False,
    region: p.RegionOption = None,
    mask: p.MaskOption = None,
    preview: p.PreviewOption = False,
    part: p.PartOption = None,
    workers: p.WorkersOption = None,
    scheduler: p.SchedulerOption = None,
    axes: o.AxesOption = None,
    stack: o.StackOption = False,
    device: o.DeviceOption = None,
    overwrite: p.OverwriteOption = False,
    settings: o.SetOption = None,
) -> None:
    """Segment images with a trained model, one label image per input.

    What was done before is skipped, so the same command goes on after a stop.
    """
    from napari_segtrain.cli import prediction_run, volume_run

    others, volume = volume_run.split_settings(settings or [])
    order = prediction_run.Order(
        models=[model, *(also or [])],
        images=images,
        output=output,
        config=prediction_run.read_config(
            probability_type.value if probabilities else "none",
            device.value if device else None,
            others,
        ),
        slices=_parse_slices(slices),
        reading=prediction_run.Reading(axes, stack),
        kind=output_format.value,
        overlays=overlays,
        volume=volume,
        blocks=volume_run.VolumeOptions(
            part=part,
            region=region,
            mask=mask,
            workers=workers,
            scheduler=scheduler,
            preview=preview,
        ),
        overwrite=overwrite,
    )
    prediction_run.start(order)


def _parse_slices(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, sign, last = text.partition(":")
    try:
        start = int(first)
        stop = int(last) if sign else start + 1
    except ValueError as error:
        raise ConfigError(
            f"'{text}' names no slices; write --slices 12 or --slices 10:20."
        ) from error
    if not 0 <= start < stop:
        raise ConfigError(f"The slices '{text}' are empty; write --slices 10:20.")
    return start, stop
