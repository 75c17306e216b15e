"""Runs to start from, and the small synthetic world that the quickstart learns."""
