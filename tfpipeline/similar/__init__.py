"""COMMAND `similar`: find the nearest training images."""
