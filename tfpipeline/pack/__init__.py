"""COMMAND `pack`: write a data set as TFRecord shards."""
