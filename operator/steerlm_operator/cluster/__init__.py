"""The operator's shell in a cluster: it watches, asks the planner, acts, and records.

It may wait and fail. What to do is decided in `core`; what an object looks like, in `render`.
"""
