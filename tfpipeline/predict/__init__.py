"""COMMAND `predict`: classify images with a run, a SavedModel or a server."""
