"""The CustomResourceDefinition, generated from the models of `api`. Pure.

`make gen` writes crds/steerlmruns.yaml from here; nothing reads these modules at run time.
"""
