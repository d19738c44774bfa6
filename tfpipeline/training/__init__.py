"""ROOM: the one loop, optimizers, and the feature cache."""
