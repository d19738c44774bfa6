"""Numbers from logits and labels."""
