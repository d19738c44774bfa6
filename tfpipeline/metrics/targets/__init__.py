"""Folds, calibration and suspected labels of several labels and of numbers."""
