"""From a model and an image to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_segtrain.inference.predictor import Prediction, iter_prediction
from napari_segtrain.models import Model
from napari_segtrain.workflows.inputs import ImageLike, as_image, as_list
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.running import Listener, run
from napari_segtrain.workflows.settings import parse_data, parse_inference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_segtrain.control import RunControl


def predict(
    model: Model | str | Path | Sequence[Model | str | Path],
    image: ImageLike,
    *,
    axes: str | None = None,
    slices: tuple[int, int] | None = None,
    items: Mapping[str, int] | None = None,
    control: RunControl | None = None,
    on_event: Listener | None = None,
    **settings: Any,
) -> Prediction:
    """Segment one image.

    Parameters
    ----------
    model : Model or path, or a sequence of these
        What to apply; a run folder, model folder, zip or checkpoint. Several models of
        the same classes, of whatever networks, give the mean of their probabilities.
    image : array, Image or path
        Channels and axes as in training.
    axes : str, optional
        Letters of an array or file that does not say.
    slices : (int, int), optional
        First slice along Z, and the one after the last; all without it.
    items : mapping of str to int, optional
        Position on some item axes, such as ``{"T": 3}``; the result lacks these axes.
    control : RunControl, optional
        Stop and pause.
    on_event : callable, optional
        Is given each event.
    **settings
        Those of `InferenceConfig`, such as ``probabilities="float32"`` or
        ``objects={"smoothing": 0.3}``.

    Returns
    -------
    Prediction
        Its ``labels`` can be given to `write_labels` and `evaluate`.

    Raises
    ------
    ModelError
        When channels or axes do not fit, or models have different classes.
    ConfigError
        When a setting does not exist, has a wrong value or no use for the model.
    """
    config = parse_inference(settings)
    models = [
        each if isinstance(each, Model) else load_model(each) for each in as_list(model)
    ]
    opened = as_image(image, parse_data({"axes": axes}))
    work = iter_prediction(
        models, opened, config, slices=slices, items=items, control=control
    )
    return run(work, on_event)
