"""Settings of the whole suite."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Workers of pytest share the cores; more threads each would wait for one another."""
