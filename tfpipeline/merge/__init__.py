"""COMMAND `merge`: check shards, and join them into one file."""
