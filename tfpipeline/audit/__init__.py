"""COMMAND `python -m tfpipeline.audit`: every file of a source, opened and reported."""
