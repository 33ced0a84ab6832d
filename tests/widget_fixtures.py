"""What tests of widgets, alone or in a viewer, begin and end with."""

from __future__ import annotations

import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QEvent


@pytest.fixture(autouse=True)
def preferences(plugin_settings, npe2pm):
    """Preferences of the plugin, kept in a temporary folder."""
    from napari.settings import get_plugin_settings

    npe2pm.register(PluginManifest.from_distribution("napari-segtrain"))
    return get_plugin_settings("napari-segtrain").general


@pytest.fixture(autouse=True)
def deleted_widgets(qapp):
    """Delete closed widgets before another test's thread collects what is left of them.

    Qt would do so in the next nested event loop only, and widgets must not be deleted
    outside the GUI thread.
    """
    yield
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
