"""COMMAND `benchmark`: what this machine gives and what holds it back."""
