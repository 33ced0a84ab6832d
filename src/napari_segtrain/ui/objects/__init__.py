"""The Objects dock: from segmentations to objects and their measurements."""
