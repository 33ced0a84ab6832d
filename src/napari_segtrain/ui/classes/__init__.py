"""The table of classes of a Labels layer."""
