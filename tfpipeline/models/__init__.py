"""Backbones (a table), preprocessing, head, classifier, and their files."""
