"""Predictions that are larger than memory, block by block into stores."""
