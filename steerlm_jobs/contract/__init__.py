"""What operator and jobs share: configs, fingerprints, manifests, reports, exit codes.

Standard library and pydantic only. The one part of `steerlm_jobs` that the operator imports, so
nothing here may wait, read a clock, touch a file or import torch.
"""
