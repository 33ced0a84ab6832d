"""Benchmarks: paired where there is a baseline, reported as ratios or differences."""
