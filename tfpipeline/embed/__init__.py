"""COMMAND `embed`: compute the features of any number of images, in shards."""
