"""How quick and how cheap the operator is, on a real control plane, beside forty lines, and Argo.

`python -m benchmarks.operator --help` says what is measured. No claim of the operator is tested
here: that is what tests/cluster does.
"""
