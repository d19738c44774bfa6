"""Cross-validation: every training image is held out once."""
