"""COMMAND `monitor`: test whether new images have drifted from the run's."""
