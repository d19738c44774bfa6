"""Training on features that `embed` has computed, without their pictures."""
