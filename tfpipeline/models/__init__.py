"""ROOM: backbones (a table), preprocessing, head, classifier, and their files."""
