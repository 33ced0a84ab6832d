"""The plugin in a real viewer; each test begins with fresh preferences."""

from __future__ import annotations

import pytest
from npe2 import PluginManifest


@pytest.fixture(autouse=True)
def preferences(plugin_settings, npe2pm):
    """Preferences of the plugin, kept in a temporary folder."""
    from napari.settings import get_plugin_settings

    npe2pm.register(PluginManifest.from_distribution("napari-segtrain"))
    return get_plugin_settings("napari-segtrain").general
