"""Sources, audit, splits, augmentations, and the one input pipeline."""
