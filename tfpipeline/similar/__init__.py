"""COMMAND `python -m tfpipeline.similar`: the training pictures nearest to others."""
