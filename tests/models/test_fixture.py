"""A model of each format that was ever released must load and predict as it did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segtrain.models import load_bundle

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("model-format-*.zip"))


def test_there_is_a_model_of_the_first_format():
    assert [path.name for path in FIXTURES][:1] == ["model-format-1.zip"]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_an_old_model_predicts_as_when_it_was_made(path: Path) -> None:
    stored = json.loads(path.with_suffix(".json").read_text("utf-8"))
    image = np.array(stored["image"], np.uint8)
    expected = np.array(stored["probabilities"])
    model = load_bundle(path)
    block = model.spec.normalization.training_set.apply(image)
    with torch.inference_mode():
        found = model.network(torch.from_numpy(block)[None]).softmax(1)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.ptp(expected, axis=(1, 2)).min() > 0.3


def test_what_the_first_format_said_is_understood():
    spec = load_bundle(FIXTURES[0]).spec
    assert spec.name == "format fixture"
    assert spec.channel_names == ("membrane", "dna")
    assert spec.voxel_size == (0.25, 0.25)
    assert spec.intensities is None
    assert spec.classes.values == (0, 7, 300)
    assert spec.classes.names == ("background", "axon", "myelin")
    assert spec.classes.unlabelled_values == (255,)
    assert spec.scores == {"mean IoU": 0.75, "IoU axon": None}
    assert spec.provenance["images"] == ["a", "b"]
