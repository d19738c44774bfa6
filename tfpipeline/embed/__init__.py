"""COMMAND `embed`: features of any number of pictures, shard by shard."""
