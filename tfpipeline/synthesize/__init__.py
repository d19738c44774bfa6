"""COMMAND `synthesize`: generate ideal images of classes."""
