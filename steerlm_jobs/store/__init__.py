"""Artifacts, chunks and checkpoints, in and out, through one small `Store` port.

Three stores behind it: a local folder, S3, and this process's memory. Nothing exists until its
manifest does (docs/architecture.md, "Artifacts"). No torch, no knowledge of what a stage computes.
"""
