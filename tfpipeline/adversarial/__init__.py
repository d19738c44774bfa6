"""ROOM: norms, losses, attacks and their loop, defences: how little fools a network."""
