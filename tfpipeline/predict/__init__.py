"""COMMAND `predict`: pictures named by a run, a SavedModel or a server."""
