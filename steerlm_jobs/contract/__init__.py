"""The language that the operator and the jobs share: configs, fingerprints, manifests, reports, codes.

Standard library and pydantic only. The one part of `steerlm_jobs` that the operator imports, so
nothing here may wait, read a clock, touch a file or import torch.
"""
