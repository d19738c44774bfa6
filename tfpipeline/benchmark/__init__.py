"""COMMAND `benchmark`: measure the speed of this machine, and what limits it."""
