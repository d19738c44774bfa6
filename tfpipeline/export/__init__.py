"""COMMAND `export`: a version for TF Serving, published once it answers alike."""
