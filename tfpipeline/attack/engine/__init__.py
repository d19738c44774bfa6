"""Attacks on arrays: losses, norms, loop, methods, sanity checks."""
