"""ROOM: objectives, parameterizations, transforms, and the ascent that joins them."""
