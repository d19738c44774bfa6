"""The embedded default: drawn pictures and a backbone pretrained on more."""
