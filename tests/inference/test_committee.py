"""Several models that answer together, and how sure predictions are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.inference.helpers import TinyModel, class_table, tiny_model
from tests.inference.test_items import image_of

from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError, ModelError
from napari_segtrain.image import Image
from napari_segtrain.inference import TileDone, collecting, committee, iter_prediction
from napari_segtrain.inference.orientations import choose_orientations
from napari_segtrain.inference.predictor import Prediction
from napari_segtrain.inference.uncertainty import SpreadSum, entropy
from napari_segtrain.models import Decision
from napari_segtrain.networks.ensemble import Ensemble
from napari_segtrain.workflows.running import run

PLANE = tiny_model(2, seed=1)
OTHER = tiny_model(2, depth=2, seed=2)
VOLUME = tiny_model(3, seed=3)
IMAGE = Image(image_of((5, 40, 44))[0], "ZYX")
FLOATS = {"device": "cpu", "probabilities": "float32", "halo": "exact"}


def predicted(models: object, **settings: object) -> Prediction:
    config = InferenceConfig(**{**FLOATS, **settings})
    return run(iter_prediction(models, IMAGE, config), None)


def maps(models: object, **settings: object) -> np.ndarray:
    """Probabilities (K, Z, Y, X)."""
    return np.asarray(predicted(models, **settings).probabilities.array)


def joined(*seeds: int) -> TinyModel:
    """One model whose network is the mean of several."""
    first = tiny_model(2, seed=seeds[0])
    members = [tiny_model(2, seed=seed).network for seed in seeds]
    return TinyModel(Ensemble(members).eval(), first.info, first.spec)


@given(arrays(np.float32, (4, 2, 1, 3, 3), elements=st.floats(0, 1, width=32)))
def test_spreads_are_those_of_their_definitions(values: np.ndarray) -> None:
    probabilities = np.stack([values, 1 - values], axis=2)[:, :, :, 0]
    weights = (1.0, 2.0, 0.5, 3.0)
    found = {}
    for kind in (None, "deviation", "agreement"):
        total = SpreadSum(kind)
        for part, weight in zip(probabilities, weights, strict=True):
            total.add(part, weight)
        found[kind] = total.result()
    mean = np.average(probabilities, axis=0, weights=weights)
    for result in found.values():
        np.testing.assert_allclose(result[:, :2], mean, atol=1e-6)
    variance = np.average((probabilities - mean) ** 2, axis=0, weights=weights)
    deviation = np.sqrt(variance.max(axis=1))
    np.testing.assert_allclose(found["deviation"][:, 2], deviation, atol=2e-3)
    winner = found["agreement"][:, :2].argmax(axis=1)
    same = probabilities.argmax(axis=2) == winner
    share = np.average(same, axis=0, weights=weights)
    np.testing.assert_allclose(found["agreement"][:, 2], share, atol=1e-6)


def test_entropy_is_0_where_sure_and_1_where_all_are_alike() -> None:
    columns = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], np.float32).T[
        :, None, None
    ]
    expected = [0, 1, np.log(2) / np.log(3)]
    np.testing.assert_allclose(entropy(columns)[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("limit", [1 << 26, 3 * 2 * 40 * 44, 100])
def test_models_of_any_kind_are_averaged(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "_MAX_NUMBERS", limit)
    models = [PLANE, OTHER, VOLUME]
    alone = [maps(model) for model in models]
    assert np.abs(alone[0] - alone[2]).max() > 0.01
    np.testing.assert_allclose(maps(models), np.mean(alone, axis=0), atol=2e-5)
    weights = (1.0, 2.0, 5.0)
    expected = np.average(alone, axis=0, weights=weights)
    np.testing.assert_allclose(maps(models, weights=weights), expected, atol=2e-5)


@pytest.mark.parametrize("kind", ["deviation", "agreement"])
def test_models_tell_how_far_they_agree(kind: str) -> None:
    models = [PLANE, OTHER, VOLUME]
    result = predicted(models, uncertainty=kind)
    alone = np.stack([maps(model) for model in models])
    if kind == "deviation":
        expected = alone.std(axis=0).max(axis=0)
    else:
        winner = np.asarray(result.probabilities.array).argmax(axis=0)
        expected = (alone.argmax(axis=1) == winner).mean(axis=0)
    assert result.uncertainty.axes == result.labels.axes == "ZYX"
    assert expected.max() - expected.min() > 0.005
    found = np.asarray(result.uncertainty.array)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_members_and_orientations_of_one_model_tell_it_too() -> None:
    model, seeds = joined(4, 5), (4, 5)
    views = []
    for seed in seeds:
        network = tiny_model(2, seed=seed).network
        for orientation in choose_orientations(2, model.info):
            turned = np.ascontiguousarray(orientation.apply(IMAGE.array[:, None] / 2))
            with torch.no_grad():
                logits = network(torch.from_numpy(turned.astype(np.float32)))
            found = logits.softmax(dim=1).numpy()
            views.append(orientation.undo(found).swapaxes(0, 1))
    result = predicted(model, uncertainty="deviation", orientations=2)
    np.testing.assert_allclose(
        np.asarray(result.probabilities.array), np.mean(views, axis=0), atol=1e-5
    )
    np.testing.assert_allclose(
        np.asarray(result.uncertainty.array),
        np.std(views, axis=0).max(axis=0),
        atol=1e-3,
    )


def test_entropy_is_that_of_the_map() -> None:
    result = predicted(PLANE, uncertainty="entropy")
    expected = entropy(np.asarray(result.probabilities.array))
    np.testing.assert_allclose(
        np.asarray(result.uncertainty.array), expected, atol=1e-6
    )
    small = predicted(PLANE, uncertainty="entropy", probabilities="uint8").uncertainty
    np.testing.assert_array_equal(small.array, np.rint(expected * np.float32(255)))
    stopped = RunControl()
    stopped.stop()
    config = InferenceConfig(device="cpu", uncertainty="entropy")
    work = iter_prediction(PLANE, IMAGE, config, control=stopped)
    assert np.isnan(np.asarray(run(work, None).uncertainty.array)).all()
    alone = predicted(PLANE, uncertainty="entropy", probabilities="none")
    assert alone.probabilities is None
    assert alone.uncertainty.array.dtype == np.float32
    assert predicted(PLANE).uncertainty is None


@pytest.mark.parametrize("kind", ["deviation", "agreement"])
def test_a_single_view_has_no_spread(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"no {kind} of a single .* orientations"):
        predicted(PLANE, uncertainty=kind)


def test_models_of_other_classes_are_refused() -> None:
    other = tiny_model(2, classes=class_table(0, 9, 300))
    with pytest.raises(ModelError, match=r"Model 2 segments class 0 \(0\), class 9"):
        predicted([PLANE, other])


def test_the_order_of_models_does_not_matter() -> None:
    tuned = tiny_model(2, seed=1, decision=Decision((0.2, 0.1, 0.7)))
    assert not np.array_equal(
        predicted(tuned).labels.array, predicted(PLANE).labels.array
    )
    found = [predicted(pair).labels.array for pair in ([tuned, OTHER], [OTHER, tuned])]
    np.testing.assert_array_equal(*found)


def test_parts_of_a_committee_keep_to_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    blocks = committee.iter_blocks
    monkeypatch.setattr(
        committee, "iter_blocks", lambda *args: seen.append(args[1]) or blocks(*args)
    )
    for limit in (1.0, 1e-4):
        predicted([PLANE, OTHER], memory_limit=limit)
    assert seen[0] * 3 <= 0.25e9 / 32
    assert seen[1] * 3 <= 0.25e5 / 32


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0)])
def test_weights_that_do_not_fit_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"weights \(1.*for 2 models"):
        predicted([PLANE, OTHER], weights=weights)


def test_a_committee_stops_between_tiles_and_says_how_far_it_is() -> None:
    control, shares = RunControl(), []

    def note(event: object) -> None:
        if isinstance(event, TileDone):
            shares.append(event.n_done / event.n_total)
            if len(shares) == 3:
                control.stop()

    config = InferenceConfig(**FLOATS, tile_size=(1, 32, 32), batch_size=1)
    work = iter_prediction([PLANE, OTHER], IMAGE, config, control=control)
    result = run(work, note)
    assert not result.is_complete
    assert len(shares) == 3
    assert 0 < shares[0] < shares[1] < shares[2] < 0.5
