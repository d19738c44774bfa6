"""COMMAND `python -m tfpipeline.combine`: one classifier of several runs."""
