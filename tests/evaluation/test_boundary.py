from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy import ndimage
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation import distances, surfaces
from napari_segtrain.evaluation.distances import Distances, nearest_distances
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.evaluation.surfaces import surface_mask
from napari_segtrain.workflows.running import run

MONAI_WARNS = "ignore:.*always_return_as_numpy:FutureWarning"
CLASSES = class_table("cell", "other", ignored=255)
MAPS = hnp.arrays(np.uint8, (2, 5, 7, 8), elements=st.sampled_from([0, 1, 2, 255]))


def blobs(seed, shape=(20, 40, 50)):
    """Two blobs that do not touch the edge, the second a little off."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random(shape), 3)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(3, -3) for _ in shape)] = True
    truth = (noise > np.median(noise)) & inside
    shifted = np.roll(noise, (1, 2), (-2, -1))
    return truth, (shifted > np.quantile(shifted, 0.55)) & inside


def scores(truth, predicted, voxel_size=None, **config):
    pair = LabelPair(
        "image",
        label_image(np.asarray(truth, np.uint8), voxel_size=voxel_size),
        label_image(np.asarray(predicted, np.uint8)),
    )
    return scores_of([pair], **config)


def scores_of(pairs, **config):
    chosen = EvaluationConfig(boundaries=True, **config)
    report = run(iter_evaluation(pairs, classes=CLASSES, config=chosen))
    return report.total.boundaries[0]


@pytest.mark.filterwarnings(MONAI_WARNS)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 1.0, 1.5)])
@pytest.mark.parametrize("seed", range(2))
def test_scores_are_those_of_monai(seed, spacing):
    truth, predicted = blobs(seed)
    found = scores(truth, predicted, spacing, tolerance=2, unit="um")
    sides = [torch.from_numpy(side)[None, None].float() for side in (predicted, truth)]
    options = {"include_background": True, "spacing": spacing}
    expected = {
        "hausdorff": compute_hausdorff_distance(*sides, **options),
        "hausdorff95": compute_hausdorff_distance(*sides, percentile=95, **options),
        "mean_distance": compute_average_surface_distance(
            *sides, symmetric=True, **options
        ),
        "surface_dice": compute_surface_dice(*sides, [2.0], **options),
    }
    assert found.unit == "um"
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(float(value), rel=1e-5), name


@pytest.mark.filterwarnings(MONAI_WARNS)
def test_flat_images_have_outlines():
    truth, predicted = blobs(0, (60, 70))
    found = scores(truth, predicted)
    sides = [torch.from_numpy(side)[None, None].float() for side in (predicted, truth)]
    expected = compute_surface_dice(*sides, [2.0], include_background=True)
    assert found.surface_dice == pytest.approx(float(expected))
    assert found.unit == "voxels"


def brute_force(truth, predicted, index, tolerance, spacing):
    """Shares within a tolerance, by all pairs of surface voxels."""
    known = truth != 255

    def surface(labels, known):
        points = []
        for at in np.argwhere((labels == index) & known):
            for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)):
                other = tuple(at + step)
                is_inside = all(0 <= a < n for a, n in zip(other, labels.shape))  # noqa: B905
                if is_inside and known[other] and labels[other] != index:
                    points.append(at)
                    break
        return np.array(points).reshape(-1, 3) * spacing

    true = surface(truth, known)
    found = surface(predicted, known | (predicted != 255))
    at = np.round(found / spacing).astype(int)
    counted = found[known[tuple(at.T)]]

    def near(points, targets):
        if not len(points):
            return None
        apart = np.linalg.norm(points[:, None] - targets[None], axis=-1)
        return np.mean((apart <= tolerance + 1e-9).any(axis=1))

    return near(counted, true), near(true, found)


@given(MAPS, st.sampled_from([1.0, 1.5, 3.0]), st.sampled_from([1.0, 2.5]))
def test_precision_and_recall_by_brute_force(maps, tolerance, thickness):
    truth, predicted = maps
    if (truth == 255).all():
        return
    size = (thickness, 1.0, 1.0)
    found = scores(truth, predicted, size, tolerance=tolerance)
    expected = brute_force(truth, predicted, 1, tolerance, np.array(size))
    assert (found.precision, found.recall) == tuple(
        None if value is None else pytest.approx(value) for value in expected
    )


@given(MAPS, st.integers(1, 60))
def test_scores_do_not_depend_on_the_blocks(maps, n_voxels):
    truth, predicted = maps
    if (truth == 255).all():
        return
    whole = scores(truth, predicted).to_dict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surfaces, "BLOCK_VOXELS", n_voxels)
        assert scores(truth, predicted).to_dict() == whole


@given(MAPS)
def test_surface_is_where_a_neighbor_differs(maps):
    labels = np.where(maps[0] == 255, 0, maps[0])
    expected = np.zeros(labels.shape, bool)
    for value in np.unique(labels):
        mask = labels == value
        expected |= mask & ~ndimage.binary_erosion(mask, border_value=1)
    assert (surface_mask(labels) == expected).all()


def test_a_perfect_segmentation():
    truth, _ = blobs(0)
    found = scores(truth, truth)
    assert (found.f1, found.surface_dice) == (1.0, 1.0)
    assert (found.hausdorff, found.hausdorff95, found.mean_distance) == (0.0,) * 3


def test_a_missing_surface_has_no_distances():
    truth, _ = blobs(0)
    found = scores(truth, np.zeros_like(truth))
    assert (found.precision, found.recall, found.f1, found.surface_dice) == (
        *(None, 0.0, 0.0, 0.0),
    )
    assert (found.hausdorff, found.hausdorff95, found.mean_distance) == (None,) * 3
    nothing = np.zeros((5, 5), np.uint8)
    absent = scores(nothing, nothing)
    assert {v for k, v in absent.to_dict().items() if k not in {"class", "unit"}} == {
        None
    }


def test_surfaces_of_images_add_up():
    sides = [blobs(seed) for seed in range(2)]
    pairs = [
        LabelPair(str(i), *(label_image(side.astype(np.uint8)) for side in both))
        for i, both in enumerate(sides)
    ]
    total = scores_of(pairs)
    each = [scores_of([pair]) for pair in pairs]
    assert total.from_truth.n == sum(one.from_truth.n for one in each)
    assert total.hausdorff == max(one.hausdorff for one in each)
    assert total.n_near_truth == sum(one.n_near_truth for one in each)
    everything = np.concatenate(
        [np.repeat(one.from_truth.values, one.from_truth.counts) for one in each]
    )
    assert total.from_truth.percentile(0.95) == pytest.approx(
        np.percentile(everything, 95)
    )


def test_units_are_shared_by_all_images():
    known = LabelPair(
        "a",
        label_image(np.eye(6, dtype=np.uint8), voxel_size=(0.5, 0.5)),
        label_image(np.eye(6, dtype=np.uint8)[::-1]),
    )
    other = LabelPair("b", label_image(np.eye(6)), label_image(np.eye(6)))
    assert scores_of([known]).unit == "um"
    assert scores_of([known]).hausdorff == scores_of([known, other]).hausdorff / 2
    assert scores_of([known, other]).unit == "voxels"
    with pytest.raises(DataError, match=r"2 micrometers .* not known"):
        scores_of([known, other], tolerance=2, unit="um")


def point_sets(least):
    shapes = st.tuples(st.integers(least, 30), st.just(3))
    return hnp.arrays(np.int32, shapes, elements=st.integers(0, 9))


@given(point_sets(1), point_sets(0))
def test_nearest_by_brute_force(points, targets):
    spacing = (2.0, 1.0, 0.5)
    points, targets = (side[np.argsort(side[:, 0])] for side in (points, targets))
    found = nearest_distances(points, targets, spacing)
    apart = np.linalg.norm((points[:, None] - targets[None]) * spacing, axis=-1)
    expected = apart.min(axis=1) if len(targets) else np.full(len(points), np.inf)
    np.testing.assert_allclose(found, expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "_SLAB", 4)
        patch.setattr(distances, "_CHUNK", 3)
        slabs = nearest_distances(
            points.astype(np.uint8), targets.astype(np.uint8), spacing
        )
    np.testing.assert_allclose(slabs, expected)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.floats(0, 1))
def test_percentiles_are_those_of_numpy(values, share):
    distances = Distances.of(np.array(values, float))
    assert distances.percentile(share) == pytest.approx(np.quantile(values, share))
    assert distances.total() == pytest.approx(sum(values))
    assert distances.n_within(5) == sum(value <= 5 for value in values)


def test_stop_ends_the_search():
    control = RunControl()
    truth, predicted = blobs(0)
    pair = LabelPair(
        "image", *(label_image(side.astype(np.uint8)) for side in (truth, predicted))
    )
    config = EvaluationConfig(boundaries=True)
    work = iter_evaluation([pair], classes=CLASSES, config=config, control=control)
    next(work)
    control.stop()
    report = run(work)
    assert not report.is_complete
    assert report.total.boundaries is None
