"""What a run tells people: closing words and figures."""
