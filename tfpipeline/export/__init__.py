"""COMMAND `export`: write a SavedModel for TF Serving, checked against the run."""
