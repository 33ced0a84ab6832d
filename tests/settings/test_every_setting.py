"""No setting is silently ignored: each changes something, or is refused."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.settings import observers
from tests.settings.observers import Observer
from tests.settings.table import BASE, Case, all_cases
from tests.settings.walk import Values, walk

from napari_segtrain.config import ExperimentConfig, parse_experiment
from napari_segtrain.errors import SegtrainError

SETTINGS = {setting.path: setting for setting in walk(ExperimentConfig)}
CASES = all_cases()


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Files that settings of data lead to."""
    folder = tmp_path_factory.mktemp("data")
    observers.write_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def test_every_setting_has_a_case():
    """Add a new setting to the table, with what it changes."""
    assert sorted(SETTINGS) == sorted(CASES)


@pytest.mark.parametrize("path", CASES)
def test_a_setting_is_heard(path: str) -> None:
    case = CASES[path]
    usual = usual_values(path)
    changed = SETTINGS[path].put(usual, case.value)
    if case.words:
        with pytest.raises(SegtrainError, match=case.words):
            case.observe(parsed(changed), case.data)
        return
    assert observed(case, usual) != observed(case, changed)


@pytest.mark.parametrize("observe", {c.observe: c for c in CASES.values()})
def test_the_same_settings_have_the_same_effect(observe: Observer) -> None:
    path, case = next((p, c) for p, c in CASES.items() if c.observe is observe)
    config = parsed(usual_values(path))
    assert observe(config, case.data) == observe(config, case.data)


def usual_values(path: str) -> Values:
    """The base, with what goes with a setting."""
    given = {name: _section(name, part) for name, part in CASES[path].given.items()}
    return SETTINGS[path].choose({**BASE, **given})


def _section(name: str, part: Values) -> Values:
    is_other = name in {"network", "loss", "validation"}
    return part if is_other else {**BASE.get(name, {}), **part}


def observed(case: Case, values: Values) -> Any:
    return _observed(case.observe, parsed(values).model_dump_json(), case.data)


@functools.cache
def _observed(observe: Observer, config: str, data: str) -> Any:
    return observe(ExperimentConfig.model_validate_json(config), data)


def parsed(values: Values) -> ExperimentConfig:
    return parse_experiment(values, source="the test")
