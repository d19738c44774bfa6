"""COMMAND `merge`: what is in the shards of all processes, and what is missing."""
