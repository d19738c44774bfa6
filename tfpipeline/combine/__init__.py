"""COMMAND `combine`: make one classifier of several runs."""
