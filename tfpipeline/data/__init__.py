"""ROOM: sources, audit, splits, augmentations, and the one input pipeline."""
