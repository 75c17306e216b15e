"""Answers from models: the Generator port, our batched loop over Transformers, and `ask`."""
