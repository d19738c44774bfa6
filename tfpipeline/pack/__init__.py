"""COMMAND `python -m tfpipeline.pack`: a source written into few large files."""
