"""What the stages decide and measure, as pure functions: combinations, ranks, sweeps, intervals.

Also the report page, a function of the figures. Nothing here runs a model or reads a store.
"""
