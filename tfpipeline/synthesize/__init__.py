"""COMMAND `synthesize`: the images that excite classes of a network most."""
