"""ROOM: what the logits are worth."""
