"""COMMAND `python -m tfpipeline.evaluate`: a run measured on any source."""
