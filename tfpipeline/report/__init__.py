"""Pages, charts, and what commands say at their end."""
