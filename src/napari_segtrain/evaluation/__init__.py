"""Prediction and ground truth -> numbers, tables and pictures."""
