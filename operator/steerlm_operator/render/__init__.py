"""Kubernetes objects of a run: names, Jobs, pods, Service, NetworkPolicy, server. Pure.

It uses the typed models of the official client, which catch a mistyped field when an object is
built. What is created once is never applied again, so all of it is decided here.
"""
