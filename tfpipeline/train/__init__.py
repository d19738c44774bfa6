"""COMMAND `train`: images to a trained, measured classifier in a run folder."""
