"""Writers: from conversations to the files of others, byte for byte as those write them.

The counterpart of `data/readers`. A writer knows no schema and no store; what cannot be written
in a format is refused by whoever calls it.
"""
