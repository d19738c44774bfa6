"""What belongs together, and whole groups divided among splits and folds."""
