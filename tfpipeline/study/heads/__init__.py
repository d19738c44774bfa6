"""Many dense heads trained at once."""
