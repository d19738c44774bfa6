"""COMMAND `study`: how well each network transfers to each source."""
