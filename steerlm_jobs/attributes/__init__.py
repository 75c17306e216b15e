"""Attributes: names and ranges in their order, label text, and how a score becomes a label. No torch."""
