"""Engines: what computes the outputs of a frozen network, all of TensorFlow."""
