"""Readers: from the files of others to conversations, one module a format.

A reader yields what a record says and counts what it leaves out, by cause. It knows no schema, no
split and no store: labels keep the names and values of the source.
"""
