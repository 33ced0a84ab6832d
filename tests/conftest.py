"""Settings of the whole suite."""

import os

from hypothesis import settings

os.environ.setdefault("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Workers of pytest share the cores; more threads each would wait for one another."""

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
