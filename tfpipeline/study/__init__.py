"""COMMAND `study`: compare how well networks transfer to data sets."""
