"""Training: a loop over an engine, the order of the data, schedule and checkpoints."""
