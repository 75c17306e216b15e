"""Attributes: names and ranges in order, label text, how a score becomes a label. No torch."""
