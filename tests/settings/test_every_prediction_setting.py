"""No setting of a prediction is silently ignored."""

from __future__ import annotations

import pytest
from tests.settings.prediction import BASE, TABLE
from tests.settings.walk import walk

from napari_segtrain.config import InferenceConfig
from napari_segtrain.errors import SegtrainError
from napari_segtrain.workflows.settings import parse_inference

SETTINGS = {setting.path: setting for setting in walk(InferenceConfig)}


def test_every_setting_has_a_case():
    """Add a new setting to the table, with what it changes."""
    assert sorted(SETTINGS) == sorted(TABLE)


@pytest.mark.parametrize("path", TABLE)
def test_a_setting_is_heard(path: str) -> None:
    case = TABLE[path]
    usual, changed = BASE, SETTINGS[path].put(BASE, case.value)
    if case.words:
        with pytest.raises(SegtrainError, match=case.words):
            case.observe(parse_inference(changed), case.data)
        return
    first, again = (case.observe(parse_inference(usual), case.data) for _ in range(2))
    assert first == again
    assert first != case.observe(parse_inference(changed), case.data)


OBJECTS = {path: case for path, case in TABLE.items() if path.startswith("objects.")}


@pytest.mark.parametrize("path", OBJECTS)
def test_settings_of_objects_are_refused_for_classes(path: str) -> None:
    case = OBJECTS[path]
    config = parse_inference(SETTINGS[path].put(BASE, case.value))
    with pytest.raises(SegtrainError, match=f"makes no objects.* {path} could change"):
        case.observe(config, "classes")
