"""COMMAND `evaluate`: measure a run on its test images or any source."""
