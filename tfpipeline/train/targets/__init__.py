"""What a training of several labels, of shares or of a number has of its own."""
