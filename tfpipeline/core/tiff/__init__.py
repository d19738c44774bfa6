"""TIFF: which of its pages is the picture, and grey that Pillow has no mode for."""
