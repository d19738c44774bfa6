"""COMMAND `train`: train a classifier on images, and measure it."""
