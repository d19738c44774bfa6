"""COMMAND `attack`: photographs changed slightly until a network is wrong."""
