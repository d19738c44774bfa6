"""COMMAND `audit`: check a data set without training."""
